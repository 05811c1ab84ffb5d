//! Progress bars: queued, running, waiting and finished syncs look different.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The progress of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    Running {
        read: u64,
        total: Option<u64>,
    },
    /// With the reason for waiting.
    Waiting {
        read: u64,
        why: String,
    },
    Done {
        read: u64,
    },
    Failed {
        read: u64,
    },
}

pub(super) struct Bars(MultiProgress);

pub(super) struct Bar {
    bar: ProgressBar,
    width: usize,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self(MultiProgress::new())
    }

    /// Adds a line, with its name in this many columns.
    pub(super) fn add(&self, name: String, width: usize) -> Bar {
        let bar = self.0.add(ProgressBar::new(1).with_prefix(name));
        let bar = Bar { bar, width };
        bar.show(&Stage::Queued);
        bar
    }

    /// There is no terminal to draw on.
    pub(super) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// What is printed next starts below the bars.
    pub(super) fn end(&self) {
        if !self.is_hidden() {
            eprintln!();
        }
    }

    /// Prints a line above the bars, or to stderr if there are none.
    pub(super) fn say(&self, line: &str) {
        if self.is_hidden() || self.0.println(line).is_err() {
            eprintln!("{line}");
        }
    }
}

impl Bar {
    pub(super) fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            width: 0,
        }
    }

    /// Draws the stage. After the last stage the line doesn't change.
    pub(super) fn show(&self, stage: &Stage) {
        if self.bar.is_finished() {
            return;
        }
        let width = self.width;
        let (read, length, rest) = match stage {
            Stage::Queued => (0, 1, "{msg:.dim}"),
            Stage::Running { read, total: None } => {
                (*read, *read, "{msg:20} {pos:>7}         reading")
            }
            Stage::Running {
                read,
                total: Some(total),
            } => (
                *read,
                (*total).max(*read),
                "{bar:20.cyan} {pos:>7}/{len:<7} reading",
            ),
            Stage::Waiting { read, .. } => (*read, *read, "{msg:.yellow}"),
            Stage::Done { read } => (*read, *read, "{bar:20.green} {pos:>7}         done"),
            Stage::Failed { read } => (*read, *read, "{msg:20} {pos:>7}         FAILED"),
        };
        let template = format!("{{prefix:<{width}}} {rest}");
        let style = ProgressStyle::with_template(&template);
        self.bar
            .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_message(match stage {
            Stage::Queued => "queued".to_owned(),
            Stage::Waiting { why, .. } => why.clone(),
            _ => String::new(),
        });
        self.bar.set_length(length);
        self.bar.set_position(read);
        if matches!(stage, Stage::Done { .. } | Stage::Failed { .. }) {
            self.bar.abandon();
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.bar.is_finished()
    }
}
