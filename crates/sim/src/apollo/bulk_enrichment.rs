//! What enrichment of several people and of several companies have in common: up to ten in one call,
//! and a credit for each that is found.

use serde_json::Value;

use super::Call;
use super::refusal::Refusal;

/// The most that one call may ask for.
pub(super) const MOST: usize = 10;

/// How answers begin.
pub(super) const SUCCESS: &str = r#""status":"success","error_code":null,"error_message":null"#;

/// The objects of a list, none if there is no list. Anything else fails as it does in Ruby.
pub(super) fn objects(list: Option<&Value>) -> Result<&[Value], Refusal> {
    match list {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(list),
        Some(_) => Err(Refusal::failed(
            422,
            "UNKNOWN_ERROR",
            "no implicit conversion of Symbol into Integer",
        )),
    }
}

/// Takes a credit for each that was found, given by their ids, or refuses the whole call.
pub(super) fn pay(call: &mut Call<'_>, found: &[&str]) -> Result<(), Refusal> {
    let price = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let credits = call.team.credits();
    if credits == 0 || price > credits {
        return Err(Refusal::no_credits());
    }
    for id in found {
        call.charge(id, 1);
    }
    Ok(())
}

pub(super) fn missing(parameter: &str) -> Refusal {
    let text = format!("invalid request, missing {parameter}");
    Refusal::failed(400, "INVALID_REQUEST", &text)
}

pub(super) fn too_many(text: &str) -> Refusal {
    Refusal::failed(400, "RECORD_LIMIT_EXCEEDED", text)
}
