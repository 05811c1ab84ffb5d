//! Values of any type at any place of a JSON text, for the fuzz tests of providers' pages.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Number, Value};

/// Any value, more often one that a provider might send.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        any::<String>().prop_map(Value::String),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{0,12}(Z|[+-][0-9:]{0,5})?)?".prop_map(Value::String),
        "[0-9a-f]{24}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every position in the value: its parent's pointer and its own name.
pub(crate) fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut go = |name: &str, inner: &Value| {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers(inner, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| go(name, inner)),
        Value::Array(items) => {
            for (at, inner) in items.iter().enumerate() {
                go(&at.to_string(), inner);
            }
        }
        _ => {}
    }
}
