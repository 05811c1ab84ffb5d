use proptest::prelude::*;
use serde_json::json;

use super::*;

fn schema(text: Value) -> Schema {
    serde_json::from_value(text).unwrap()
}

fn contact() -> Schema {
    schema(json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["email"],
        "properties": {
            "email": {"type": "string", "format": "email", "maxLength": 40},
            "stage": {"type": ["string", "null"], "enum": ["new", "won"]},
            "page": {"type": "integer", "minimum": 1, "maximum": 500},
            "due_at": {"type": "string", "format": "date-time"},
            "labels": {"type": "array", "maxItems": 2, "items": {"type": "string", "minLength": 1}},
            "custom": {}
        }
    }))
}

fn violation(value: &Value) -> String {
    contact().check(value).unwrap_err().to_string()
}

#[test]
fn what_is_described_is_taken() {
    let full = json!({
        "email": "a@b.example", "stage": null, "page": 500, "due_at": "2030-01-31T12:00:00Z",
        "labels": ["one", "two"], "custom": {"any": ["thing"]},
    });
    assert_eq!(contact().check(&full), Ok(()));
    assert_eq!(contact().check(&json!({"email": "a@b.example"})), Ok(()));
}

#[test]
fn each_mistake_names_its_field_and_what_would_be_right() {
    for (value, expected) in [
        (json!([]), "input: must be an object"),
        (json!({}), "email: this field is required"),
        (json!({"email": 1}), "email: must be a string"),
        (json!({"email": "no"}), "email: must be an e-mail address"),
        (
            json!({"email": "a@b.example", "stage": "old"}),
            "stage: must be one of new, won",
        ),
        (
            json!({"email": "a@b.example", "page": 0}),
            "page: must be from 1 to 500",
        ),
        (
            json!({"email": "a@b.example", "page": 1.5}),
            "page: must be a whole number",
        ),
        (
            json!({"email": "a@b.example", "due_at": "tomorrow"}),
            "due_at: must be an RFC 3339 time such as 2030-01-31T12:00:00Z",
        ),
        (
            json!({"email": "a@b.example", "labels": ["a", ""]}),
            "labels[1]: must not be empty",
        ),
        (
            json!({"email": "a@b.example", "labels": ["a", "b", "c"]}),
            "labels: must have 0 to 2 elements",
        ),
        (
            json!({"email": "a@b.example\u{0}"}),
            "email: must not contain a NUL character",
        ),
        (
            json!({"email": "a@b.example", "mail": "x"}),
            "mail: is not known here; the fields are custom, due_at, email, labels, page, stage",
        ),
    ] {
        assert_eq!(violation(&value), expected, "{value}");
    }
}

#[test]
fn a_keyword_that_nobody_checks_is_refused() {
    let unknown = json!({"type": "string", "pattern": "^a"});
    assert!(serde_json::from_value::<Schema>(unknown).is_err());
}

#[test]
fn only_what_is_described_is_left_of_an_answer() {
    let answer = json!({
        "email": "a@b.example", "password": "x", "stage": ["not", "a", "string"],
        "labels": ["1", "2", "3"], "page": "two", "custom": "é".repeat(3_000),
    });
    assert!(contact().cuts_lists(&answer));
    assert!(!contact().cuts_lists(&json!({"labels": ["1", "2"], "others": ["1", "2", "3"]})));
    let left = contact().project(answer);
    let expected = json!({
        "email": "a@b.example", "stage": null, "labels": ["1", "2"], "page": null,
        "custom": left["custom"],
    });
    assert_eq!(left, expected);
    assert_eq!(left["custom"].as_str().unwrap().chars().count(), 500);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,60}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            Just("email".to_owned()),
            Just("stage".to_owned()),
            Just("page".to_owned()),
            Just("labels".to_owned()),
            Just("custom".to_owned()),
            "[a-z]{1,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Clients check an answer against the schema that they were given.
    #[test]
    fn what_is_left_of_any_answer_is_as_described(answer in any_json()) {
        let described = schema(json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "email": {"type": "string", "maxLength": 40},
                "page": {"type": "integer"},
                "labels": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
                "custom": {"type": "object", "properties": {"email": {"type": "string"}}},
            }
        }));
        let described = described.nullable();
        let left = described.project(answer);
        prop_assert_eq!(described.check(&left), Ok(()));
        prop_assert!(left.to_string().len() < 3_000);
    }
}
