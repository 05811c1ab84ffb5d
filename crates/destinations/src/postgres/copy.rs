//! Rows in the text format of `COPY`.
//!
//! Written by hand: PostgreSQL's format is four rules, and drivers that have them bring a client of
//! their own.

use syncline_model::{Cell, ExportRow, time};

/// The rows as `COPY … FROM STDIN` reads them.
pub(super) fn encode<'r>(rows: impl IntoIterator<Item = &'r ExportRow>) -> String {
    let mut text = String::new();
    for row in rows {
        for (index, cell) in row.cells.iter().enumerate() {
            if index > 0 {
                text.push('\t');
            }
            push_cell(&mut text, cell);
        }
        text.push('\n');
    }
    text
}

fn push_cell(text: &mut String, cell: &Cell) {
    match cell {
        Cell::Null => text.push_str("\\N"),
        Cell::Boolean(true) => text.push('t'),
        Cell::Boolean(false) => text.push('f'),
        Cell::Integer(number) => text.push_str(&number.to_string()),
        Cell::Time(at) => text.push_str(&time::format(*at)),
        Cell::Text(value) => push_escaped(text, value),
        Cell::Json(json) => push_escaped(text, &storable_json(json)),
    }
}

/// PostgreSQL has no text with a NUL.
fn push_escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\0' => {}
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
}

/// The JSON without what `jsonb` refuses: escapes of NUL are left out, and those of half a character
/// become U+FFFD.
fn storable_json(json: &str) -> std::borrow::Cow<'_, str> {
    if !json.contains("\\u") {
        return json.into();
    }
    let mut storable = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        storable.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(unit) = escaped_unit(rest) else {
            let end = rest
                .char_indices()
                .nth(2)
                .map_or(rest.len(), |(end, _)| end);
            storable.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        };
        let pair = escaped_unit(&rest[6..]).filter(|low| (0xdc00..0xe000).contains(low));
        let length = match unit {
            0 => 0,
            0xd800..0xdc00 if pair.is_some() => 12,
            0xd800..0xe000 => {
                storable.push_str("\\ufffd");
                0
            }
            _ => 6,
        };
        storable.push_str(&rest[..length]);
        rest = &rest[length.max(6)..];
    }
    storable.push_str(rest);
    storable.into()
}

/// The UTF-16 unit of an escape such as `\u00e9` at the beginning.
fn escaped_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use syncline_model::Time;

    use super::*;

    #[test]
    fn rows_are_escaped_as_copy_reads_them() {
        let row = ExportRow {
            id: "1".to_owned(),
            last_modified_at: Time::UNIX_EPOCH,
            cells: vec![
                Cell::Null,
                Cell::Text("a\tb\\c\nd\0".to_owned()),
                Cell::Text(String::new()),
                Cell::Boolean(true),
                Cell::Integer(-7),
                Cell::Time(Time::UNIX_EPOCH),
                Cell::Json(r#"{"a":"x\ny"}"#.to_owned()),
            ],
        };
        assert_eq!(
            encode([&row]),
            "\\N\ta\\tb\\\\c\\nd\t\tt\t-7\t1970-01-01T00:00:00.000Z\t{\"a\":\"x\\\\ny\"}\n"
        );
    }

    #[test]
    fn json_loses_only_what_jsonb_refuses() {
        let of = |json: &str| storable_json(json).into_owned();
        assert_eq!(of(r#""a\u0000b""#), r#""ab""#);
        assert_eq!(of(r#""\\u0000""#), r#""\\u0000""#);
        assert_eq!(of(r#""\ud83d\ude00""#), r#""\ud83d\ude00""#);
        assert_eq!(of(r#""\ud83d!""#), r#""\ufffd!""#);
        assert_eq!(of(r#""\ude00\u00e9""#), r#""\ufffd\u00e9""#);
        assert_eq!(of(r#""\ud83d\u0041""#), r#""\ufffd\u0041""#);
        assert_eq!(of(r#""\n\u00E9\"""#), r#""\n\u00E9\"""#);
    }
}
