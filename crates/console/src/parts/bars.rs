//! A bar chart over time, drawn as SVG, with the same numbers in a table.

use std::fmt;

use askama::filters::HtmlSafe;
use chrono::TimeDelta;
use syncline_model::Time;

use crate::words::Count;

/// How many bars a chart has.
const BARS: i32 = 24;

/// One span of time.
#[derive(Debug, Clone, Copy)]
struct Bar {
    at: Time,
    good: i64,
    /// Drawn on top of `good`, in another colour.
    bad: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Bars {
    /// What is counted, such as `Runs`.
    title: &'static str,
    /// The words for both parts, such as `succeeded` and `failed`; the second may be empty.
    words: (&'static str, &'static str),
    width: TimeDelta,
    spans: Vec<Bar>,
}

/// A chart shows a day, or, where it would need rows older than `oldest`, what came after that.
pub(crate) fn start_of_charts(oldest: Option<Time>, now: Time) -> Time {
    let day = now - TimeDelta::days(1);
    oldest.map_or(day, |oldest| oldest.max(day))
}

const HEIGHT: i64 = 60;
const STEP: usize = 10;
const WIDTH: usize = 8;

impl Bars {
    /// Nothing has been counted yet.
    pub(crate) fn between(
        since: Time,
        now: Time,
        title: &'static str,
        words: (&'static str, &'static str),
    ) -> Self {
        let width = ((now - since) / BARS).max(TimeDelta::seconds(1));
        let bar = |index| Bar {
            at: since + width * index,
            good: 0,
            bad: 0,
        };
        Self {
            title,
            words,
            width,
            spans: (0..BARS).map(bar).collect(),
        }
    }

    /// What was before the chart begins is left out.
    pub(crate) fn add(&mut self, at: Time, good: i64, bad: i64) {
        let Some(first) = self.spans.first() else {
            return;
        };
        let index = (at - first.at)
            .num_milliseconds()
            .div_euclid(self.width.num_milliseconds());
        let Ok(index) = usize::try_from(index) else {
            return;
        };
        let last = self.spans.len() - 1;
        let bar = &mut self.spans[index.min(last)];
        bar.good += good;
        bar.bad += bad;
    }

    fn most(&self) -> i64 {
        let sums = self.spans.iter().map(|bar| bar.good + bar.bad);
        sums.max().unwrap_or_default()
    }

    fn label(&self) -> String {
        let (good, bad) = self
            .spans
            .iter()
            .fold((0, 0), |(good, bad), bar| (good + bar.good, bad + bar.bad));
        let mut label = format!("{} {}", Count(good), self.words.0);
        if !self.words.1.is_empty() {
            label = format!("{label}, {} {}", Count(bad), self.words.1);
        }
        label
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most().max(1);
        let height = |amount: i64| match amount {
            0 => 0,
            // What is there is seen.
            some => (some * HEIGHT / most).max(2),
        };
        for (index, bar) in self.spans.iter().enumerate() {
            let x = index * STEP;
            let (good, bad) = (height(bar.good), height(bar.bad));
            let title = format!("{}: {}", bar.at.format("%H:%M"), self.words_of(bar));
            write!(f, "<g><title>{title}</title>")?;
            let y = HEIGHT - good;
            write!(
                f,
                r#"<rect class="bar good" x="{x}" y="{y}" width="{WIDTH}" height="{good}"/>"#
            )?;
            let y = (y - bad).max(0);
            write!(
                f,
                r#"<rect class="bar bad" x="{x}" y="{y}" width="{WIDTH}" height="{bad}"/></g>"#
            )?;
        }
        Ok(())
    }

    fn words_of(&self, bar: &Bar) -> String {
        match self.words.1 {
            "" => Count(bar.good).to_string(),
            bad => format!(
                "{} {}, {} {bad}",
                Count(bar.good),
                self.words.0,
                Count(bar.bad)
            ),
        }
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<details><summary>Numbers</summary><table><thead><tr><th scope="col">From</th><th scope="col">{}</th></tr></thead><tbody>"#,
            self.title
        )?;
        for bar in &self.spans {
            let from = bar.at.format("%Y-%m-%d %H:%M");
            let words = self.words_of(bar);
            write!(
                f,
                r#"<tr><td>{from}</td><td class="number">{words}</td></tr>"#
            )?;
        }
        f.write_str("</tbody></table></details>")
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, label) = (self.title, self.label());
        let width = self.spans.len() * STEP;
        write!(
            f,
            r#"<figure class="chart"><figcaption>{title} <span class="quiet">{label}</span></figcaption><svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{title}: {label}">"#
        )?;
        self.draw(f)?;
        f.write_str("</svg>")?;
        self.table(f)?;
        f.write_str("</figure>")
    }
}

/// It has numbers, times and our own words only.
impl HtmlSafe for Bars {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_in_the_picture_and_in_the_table() {
        let now = Time::UNIX_EPOCH + TimeDelta::days(2);
        let since = start_of_charts(None, now);
        let mut bars = Bars::between(since, now, "Runs", ("succeeded", "failed"));
        bars.add(now, 1000, 1);
        bars.add(since, 30, 0);
        bars.add(since - TimeDelta::seconds(1), 7, 0);
        let html = bars.to_string();
        assert!(
            html.contains("Runs: 1\u{202f}030 succeeded, 1 failed"),
            "{html}"
        );
        assert_eq!(html.matches("<tr><td>").count(), 24);
        assert!(
            html.contains(r#"height="2""#),
            "one of a thousand is seen: {html}"
        );
    }
}
