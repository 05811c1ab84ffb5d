//! Builds the bodies of writes. The caller's own fields come first, and the common ones win over them.

use serde_json::{Map, Value};

use super::lookup::is_id;
use crate::error::ProviderError;

/// Sets a text, clears it if it is null, and leaves it alone if it is absent.
pub(super) fn set_text(fields: &mut Map<String, Value>, name: &str, text: Option<&Option<String>>) {
    if let Some(text) = text {
        fields.insert(name.to_owned(), text.clone().into());
    }
}

/// The same with the id of another record. `name` is also the caller's name of the field.
pub(super) fn set_id(
    fields: &mut Map<String, Value>,
    name: &str,
    id: Option<&Option<String>>,
) -> Result<(), ProviderError> {
    let Some(id) = id else {
        return Ok(());
    };
    let number = id.as_deref().map(|id| number(name, id)).transpose()?;
    fields.insert(name.to_owned(), number.into());
    Ok(())
}

/// The number of another record that the caller names in a field.
pub(super) fn number(field: &str, id: &str) -> Result<u64, ProviderError> {
    let number = id.parse().ok().filter(|_| is_id(id));
    number.ok_or_else(|| {
        let reason = format!("must be a whole number, as Salesloft's ids are, not '{id}'");
        ProviderError::invalid(field, &reason)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_is_left_alone_and_what_is_null_is_cleared() {
        let mut fields = Map::new();
        set_text(&mut fields, "title", None);
        set_text(&mut fields, "city", Some(&None));
        set_id(&mut fields, "account_id", Some(&None)).unwrap();
        set_id(&mut fields, "owner_id", Some(&Some("7".to_owned()))).unwrap();
        let expected = json!({"city": null, "account_id": null, "owner_id": 7});
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn an_id_that_can_not_be_one_names_its_field() {
        for id in ["", "u-1", "07", "-1", "99999999999999999999"] {
            let error = number("owner_id", id).unwrap_err();
            assert_eq!(error.field.unwrap().0, "owner_id", "{id}");
        }
    }
}
