//! Prometheus's text format, for gauges that are read from the database.

use std::fmt::Write as _;

/// All samples of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Sample>,
}

pub(super) struct Sample {
    /// Names and values; both are our own constants, which need no escaping.
    pub(super) labels: Vec<(&'static str, &'static str)>,
    pub(super) value: f64,
}

impl Family {
    /// A family of one value.
    pub(super) fn single(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            samples: vec![Sample {
                labels: Vec::new(),
                value,
            }],
        }
    }
}

pub(super) fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for Family {
        name,
        help,
        samples,
    } in families
    {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for Sample { labels, value } in samples {
            let labels: Vec<String> = labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{value}\""))
                .collect();
            let labels = match labels.as_slice() {
                [] => String::new(),
                labels => format!("{{{}}}", labels.join(",")),
            };
            let _ = writeln!(text, "{name}{labels} {value}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_help_its_type_and_its_samples() {
        let labelled = Sample {
            labels: vec![("state", "waiting"), ("reason", "records_per_day")],
            value: 3.0,
        };
        let families = [
            Family {
                name: "a",
                help: "What a is.",
                samples: vec![labelled],
            },
            Family::single("b_ratio", "What b is.", 0.25),
        ];
        assert_eq!(
            text(&families),
            "# HELP a What a is.\n# TYPE a gauge\n\
             a{state=\"waiting\",reason=\"records_per_day\"} 3\n\n\
             # HELP b_ratio What b is.\n# TYPE b_ratio gauge\nb_ratio 0.25\n\n"
        );
    }
}
