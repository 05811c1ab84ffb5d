//! What is wrong with the settings, in a sentence that names the setting and where it comes from.

use super::variable;

/// One sentence that names the setting and its source.
pub(super) fn explain(error: &figment::Error) -> anyhow::Error {
    use figment::error::Kind;
    let from = |path: &[String]| match &error.metadata {
        Some(metadata) if metadata.name == "the environment" => variable(&path.join(".")),
        Some(metadata) => match &metadata.source {
            Some(source) => format!("{} in {source}", path.join(".")),
            None => path.join("."),
        },
        None => path.join("."),
    };
    match &error.kind {
        Kind::UnknownField(field, expected) => {
            let mut path = error.path.clone();
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            anyhow::anyhow!(
                "unknown setting {}: there is {}",
                from(&path),
                expected.join(", ")
            )
        }
        Kind::InvalidType(_, expected)
            if expected.starts_with("struct ") || expected == "a map" =>
        {
            let setting = from(&error.path);
            anyhow::anyhow!("{setting} is a group of settings, not a setting")
        }
        Kind::UnknownVariant(given, expected) => anyhow::anyhow!(
            "the setting {} is wrong: it must be {}, not '{given}'",
            from(&error.path),
            expected.join(" or ")
        ),
        kind if error.path.is_empty() => {
            let file = error.metadata.as_ref().and_then(|it| it.source.as_ref());
            let file = file.map_or_else(String::new, |file| format!("{file} "));
            anyhow::anyhow!(
                "the configuration file {file}is not valid TOML: {}",
                in_one_line(kind)
            )
        }
        kind => {
            // figment adds quotes to text that serde has quoted already.
            let kind = kind.to_string().replace("``", "`");
            anyhow::anyhow!("the setting {} is wrong: {kind}", from(&error.path))
        }
    }
}

/// Drops the lines in which the parser draws the place of the error.
fn in_one_line(kind: &figment::error::Kind) -> String {
    let text = kind.to_string();
    let said = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains('|'));
    said.collect::<Vec<_>>().join(", ")
}
