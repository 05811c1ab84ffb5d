//! The output of `doctor`: a line for each check.

/// The width of the names.
const NAME: usize = 16;

#[derive(Default)]
pub(super) struct Report {
    pub(super) bad: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Note,
    Bad,
}

impl Report {
    /// No problem.
    pub(super) fn ok(&mut self, name: &str, what: impl AsRef<str>) {
        self.say(Verdict::Ok, name, what.as_ref());
    }

    /// Works, but the operator should know.
    pub(super) fn note(&mut self, name: &str, what: impl AsRef<str>) {
        self.say(Verdict::Note, name, what.as_ref());
    }

    /// Doesn't work; says what to do.
    pub(super) fn bad(&mut self, name: &str, what: impl AsRef<str>) {
        self.say(Verdict::Bad, name, what.as_ref());
    }

    #[expect(clippy::print_stdout, reason = "the command's answer")]
    fn say(&mut self, verdict: Verdict, name: &str, what: &str) {
        self.bad += usize::from(verdict == Verdict::Bad);
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "bad",
        };
        println!("{word:<4}  {name:<NAME$}  {what}");
    }
}
