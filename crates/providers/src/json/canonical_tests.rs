//! What changes a value's sum, and what doesn't.

use super::*;

fn same(one: &str, other: &str) {
    assert_eq!(sum(one).sum, sum(other).sum, "{one} and {other}");
}

fn different(one: &str, other: &str) {
    assert_ne!(sum(one).sum, sum(other).sum, "{one} and {other}");
}

#[test]
fn white_space_escapes_and_the_order_of_keys_make_no_difference_at_any_depth() {
    same(
        r#"{"a":{"b":[1,{"c":"é","d":null}]},"e":true}"#,
        "{ \"e\" : true,\n\t\"a\" : { \"b\" : [ 1 , { \"d\" : null, \"\\u0063\" : \"\\u00E9\" } ] } }",
    );
    same(r#""a/b""#, r#""a\/b""#);
    same(r#""😀""#, r#""\ud83d\ude00""#);
    same("[]", "[ ]");
}

#[test]
fn numbers_are_their_values() {
    for (one, other) in [
        ("1", "1.0"),
        ("1.0", "1.00"),
        ("1", "1e0"),
        ("100", "1E+2"),
        ("0.5", "5e-1"),
        ("-12.50", "-125E-1"),
        ("0", "-0.000e7"),
        (
            "123456789012345678901234567890",
            "12345678901234567890123456789e1",
        ),
    ] {
        same(one, other);
    }
    for (one, other) in [
        ("1", "-1"),
        ("1", "10"),
        ("0.1", "0.01"),
        ("1", "1e1"),
        ("9007199254740993", "9007199254740992"),
        ("1e99999999999999999999", "1e99999999999999999998"),
        ("1", "\"1\""),
    ] {
        different(one, other);
    }
}

#[test]
fn what_is_said_makes_a_difference() {
    for (one, other) in [
        (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
        (r#"{"a":{"b":1}}"#, r#"{"b":{"a":1}}"#),
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
        (r#"{"a":[[1],2]}"#, r#"{"a":[1,[2]]}"#),
        (r#"{"a":[]}"#, r#"{"a":{}}"#),
        (r#"{"a":null}"#, "{}"),
        (r#"{"a":null}"#, r#"{"a":"null"}"#),
        (r#"{"a":"b"}"#, r#"["a","b"]"#),
        (r#"{"a":true}"#, r#"{"a":false}"#),
        (r#""a""#, r#""a ""#),
        (r#""a\"b""#, r#""ab""#),
    ] {
        different(one, other);
    }
}

#[test]
fn any_depth_is_read_without_recursion() {
    let levels = 1_000_000;
    let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(sum(&deep).levels, levels);
    assert_eq!(sum("7").levels, 0);
    assert_eq!(sum(r#"{"a":[{}]}"#).levels, 3);
}

#[test]
fn what_is_no_json_does_no_harm() {
    for text in [
        "", "}", "]]", "\"", "\"\\", "{\"a", "é", "-", "1e", "nul", "{]}",
    ] {
        let _ = sum(text);
    }
}
