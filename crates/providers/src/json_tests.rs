//! Lenient reading, and cleaning of bodies.

use super::*;

fn read<T>(text: &str, read: impl FnOnce(&Fields<'_>) -> T) -> T {
    read(&Fields::parse(text).unwrap())
}

#[test]
fn a_missing_key_reads_as_null_in_every_form() {
    for text in [
        "{}",
        r#"{"a":null}"#,
        // The last value of a repeated key counts.
        r#"{"a":1,"a":null}"#,
    ] {
        read(text, |fields| {
            assert_eq!(fields.text("a"), Ok(None));
            assert_eq!(fields.time("a"), Ok(None));
            assert_eq!(fields.int("a"), Ok(None));
            assert_eq!(fields.flag("a"), Ok(None));
            assert!(fields.list("a").unwrap().is_empty());
            assert!(fields.object("a").unwrap().is_none());
        });
    }
}

#[test]
fn numbers_become_text_and_text_becomes_numbers() {
    read(
        r#"{"n":7.50,"t":"12","f":"3.0","b":"","s":"true"}"#,
        |fields| {
            assert_eq!(fields.text("n").unwrap().as_deref(), Some("7.50"));
            assert_eq!(fields.int("t"), Ok(Some(12)));
            assert_eq!(fields.int("f"), Ok(Some(3)));
            assert_eq!(fields.int("b"), Ok(None));
            assert_eq!(fields.flag("s"), Ok(Some(true)));
        },
    );
}

#[test]
fn escapes_in_keys_and_texts_are_decoded() {
    read(r#"{"n\u0061me":"a\"b\\c\u00e9\ud83d\ude00"}"#, |fields| {
        assert_eq!(fields.text("name").unwrap().as_deref(), Some("a\"b\\cé😀"));
    });
}

#[test]
fn times_are_read_to_the_millisecond_in_utc() {
    for (text, expected) in [
        ("2026-05-18T11:04:12.977Z", "2026-05-18T11:04:12.977Z"),
        (
            "2026-05-18T13:04:12.977123+02:00",
            "2026-05-18T11:04:12.977Z",
        ),
        ("2026-05-18T11:04:12", "2026-05-18T11:04:12.000Z"),
        ("2026-05-18", "2026-05-18T00:00:00.000Z"),
    ] {
        let time = read(&format!(r#"{{"t":"{text}"}}"#), |fields| fields.time("t"));
        assert_eq!(
            syncline_model::time::format(time.unwrap().unwrap()),
            expected
        );
    }
}

#[test]
fn what_cannot_be_meant_is_malformed_and_names_the_field() {
    let text = r#"{"o":{},"l":[1],"t":"soon","n":1.5,"b":true,"w":"yes"}"#;
    read(text, |fields| {
        for malformed in [
            fields.text("o").unwrap_err(),
            fields.text("b").unwrap_err(),
            fields.text("l").unwrap_err(),
            fields.time("t").unwrap_err(),
            fields.time("n").unwrap_err(),
            fields.int("n").unwrap_err(),
            fields.int("t").unwrap_err(),
            fields.flag("w").unwrap_err(),
            fields.list("o").unwrap_err(),
            fields.object("l").unwrap_err(),
        ] {
            assert_eq!(malformed.field.len(), 1);
            assert!(!malformed.reason.is_empty());
        }
        assert_eq!(
            fields.text("o").unwrap_err().to_string(),
            "o: text was expected, not an object"
        );
    });
}

#[test]
fn a_body_without_anything_to_clean_is_not_copied() {
    let body = br#"{"a":"x\\u0000 \n \ud83d\ude00 \u00e9"}"#;
    assert!(matches!(clean(body), Cow::Borrowed(_)));
}

#[test]
fn nuls_are_taken_out_and_lone_surrogates_replaced() {
    for (dirty, expected) in [
        (r#"{"a":"x\u0000y"}"#, r#"{"a":"xy"}"#),
        ("{\"a\":\"x\0y\"}", r#"{"a":"xy"}"#),
        (r#"{"a":"\\u0000"}"#, r#"{"a":"\\u0000"}"#),
        (r#"{"a":"\\\u0000"}"#, r#"{"a":"\\"}"#),
        (r#"{"a":"\ud83d!"}"#, "{\"a\":\"\u{FFFD}!\"}"),
        (r#"{"a":"\uDE00"}"#, "{\"a\":\"\u{FFFD}\"}"),
        (
            r#"{"a":"\ud83d\ud83d\ude00"}"#,
            "{\"a\":\"\u{FFFD}\\ud83d\\ude00\"}",
        ),
        (
            r#"{"a":"\ud83d\u0000\ude00"}"#,
            "{\"a\":\"\u{FFFD}\u{FFFD}\"}",
        ),
        (r#"{"\u0000a":1}"#, r#"{"a":1}"#),
    ] {
        let cleaned = clean(dirty.as_bytes());
        assert_eq!(cleaned, expected, "{dirty}");
        let value: serde_json::Value = serde_json::from_str(&cleaned).unwrap();
        assert!(value.is_object());
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced_and_the_rest_still_cleaned() {
    assert_eq!(clean(b"{\"a\":\"\xff\\u0000\"}"), "{\"a\":\"\u{FFFD}\"}");
    assert_eq!(clean(b"\"\xff\""), "\"\u{FFFD}\"");
}

#[test]
fn cut_off_escapes_do_no_harm() {
    for text in [
        "\\",
        "\"\\u",
        "\"\\u00",
        "\"\\ud83d",
        "\"\\ud83d\\u",
        "\\é",
        "\\u00é0",
    ] {
        let _ = clean(text.as_bytes());
    }
}

#[test]
fn what_is_taken_out_of_a_broken_escape_does_not_make_it_whole() {
    for (dirty, expected) in [
        ("\"\\\0u0000\"", "\"\\\u{FFFD}u0000\""),
        ("\"\\u00\x0000\"", "\"\\u00\u{FFFD}00\""),
        (r#""\u00\u000000""#, "\"\\u00\u{FFFD}00\""),
        ("\"\\n\0\"", r#""\n""#),
    ] {
        assert_eq!(clean(dirty.as_bytes()), expected, "{dirty:?}");
    }
}
