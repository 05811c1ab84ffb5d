//! What callers ask a provider to write: accounts, contacts, sequences with their steps, enrolments
//! and tasks.
//!
//! Names and nullability are those of Supaglue's published engagement document. A field that is
//! left out keeps its value; one that is null is cleared. `custom_fields` are the provider's own
//! fields under its own names and are passed on unchecked.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{Address, EmailAddress, PhoneNumber, ShareType};

/// `None`: the field is absent. `Some(None)`: it is null.
pub type Field<T> = Option<Option<T>>;

/// Provider-native fields.
pub type CustomFields = Map<String, Value>;

/// An account to create, or what to change of one.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = create_update_account)]
pub struct AccountDraft {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub domain: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub owner_id: Field<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub custom_fields: CustomFields,
}

/// A contact to create, or what to change of one.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = create_update_contact)]
pub struct ContactDraft {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub first_name: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub last_name: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub job_title: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Address>)]
    pub address: Field<Address>,
    pub email_addresses: Option<Vec<EmailAddress>>,
    pub phone_numbers: Option<Vec<PhoneNumber>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub owner_id: Field<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub account_id: Field<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub custom_fields: CustomFields,
}

/// A sequence to create, with its steps in order.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = create_sequence)]
pub struct SequenceDraft {
    pub name: String,
    /// `team` or `private`.
    #[serde(rename = "type")]
    pub share_type: ShareType,
    #[serde(default)]
    pub tags: Vec<String>,
    pub owner_id: Option<String>,
    #[serde(default)]
    pub steps: Vec<StepDraft>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub custom_fields: CustomFields,
}

/// A step of a sequence to create.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = create_sequence_step)]
pub struct StepDraft {
    #[serde(rename = "type")]
    pub kind: StepKind,
    pub name: Option<String>,
    /// Whole seconds after the step before; for the first one, after the enrolment.
    #[serde(default, deserialize_with = "whole")]
    pub interval_seconds: Option<u32>,
    /// A fixed time in place of an interval.
    pub date: Option<String>,
    pub template: Option<TemplateDraft>,
    /// Continue the thread of the e-mail before.
    #[serde(default)]
    pub is_reply: bool,
    /// The place among the steps, from 1.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1)]
    pub order: Option<u32>,
    pub task_note: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub custom_fields: CustomFields,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = sequence_step_type)]
pub enum StepKind {
    AutoEmail,
    ManualEmail,
    Call,
    Task,
    LinkedinSendMessage,
}

/// An e-mail template: one that is there, by its id, or a new one with a subject and a body.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = create_template)]
pub struct TemplateDraft {
    pub id: Option<String>,
    pub subject: Option<String>,
    /// HTML.
    pub body: Option<String>,
    pub name: Option<String>,
}

/// What to change of a step.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = update_sequence_step)]
pub struct StepUpdate {
    pub template: Option<TemplateUpdate>,
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[schema(as = update_template)]
pub struct TemplateUpdate {
    pub subject: Option<String>,
    /// HTML.
    pub body: Option<String>,
}

/// A contact to put into a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = create_sequence_state)]
pub struct EnrolmentDraft {
    pub contact_id: String,
    pub sequence_id: String,
    /// The mailbox that sends.
    pub mailbox_id: Option<String>,
    pub user_id: Option<String>,
}

/// How contacts leave a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveMode {
    /// They are taken out; their states are deleted, or stay as removed ones where the provider keeps
    /// them.
    Remove,
    /// They stay, and get nothing more.
    Stop,
    /// They stay, as if they had completed it.
    Finish,
}

impl LeaveMode {
    pub const ALL: &'static [Self] = &[Self::Remove, Self::Stop, Self::Finish];

    /// The word for it in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Stop => "stop",
            Self::Finish => "finish",
        }
    }
}

/// Something for a person to do about a contact.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = create_task)]
pub struct TaskDraft {
    /// Who is to do it.
    pub user_id: String,
    pub contact_id: String,
    #[serde(rename = "type")]
    pub kind: TaskKind,
    #[serde(default)]
    pub priority: TaskPriority,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub due_at: String,
    pub title: Option<String>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = task_type)]
pub enum TaskKind {
    Call,
    Email,
    Linkedin,
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskPriority {
    High,
    #[default]
    Medium,
    Low,
}

/// Distinguishes null from absent: serde calls it only if the field is present.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Field<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A whole number in any JSON notation: the published document only says "number".
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "the value is whole and within the bounds"
)]
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if number.trunc() == number && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(Some(number as u32));
    }
    Err(D::Error::custom("a whole number of 0 or more is expected"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_is_told_from_left_out() {
        let draft: AccountDraft = serde_json::from_value(json!({"name": null})).unwrap();
        assert_eq!(draft.name, Some(None));
        assert_eq!(draft.domain, None);
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let step = |interval| -> Result<StepDraft, _> {
            serde_json::from_value(json!({"type": "call", "interval_seconds": interval}))
        };
        assert_eq!(step(json!(86400.0)).unwrap().interval_seconds, Some(86_400));
        assert_eq!(step(json!(null)).unwrap().interval_seconds, None);
        for wrong in [json!(1.5), json!(-1), json!("5"), json!(5e9)] {
            assert!(step(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_may_name_only_some_of_its_lines() {
        let draft: ContactDraft =
            serde_json::from_value(json!({"address": {"city": "Berlin"}})).unwrap();
        let address = draft.address.flatten().unwrap();
        assert_eq!(address.city.as_deref(), Some("Berlin"));
        assert_eq!(address.street_1, None);
    }
}
