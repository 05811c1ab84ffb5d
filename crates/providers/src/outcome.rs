//! What became of one contact when contacts were put into a sequence or taken out of it.

use crate::error::ProviderError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The contact's state in the sequence.
    State { id: String },
    /// The contact is in the sequence, but its state could not be read.
    AlreadyMember,
    /// The contact is no longer in the sequence; its last state there, where the provider names it.
    Out { id: Option<String> },
    /// The provider skipped the contact: its code, and what that means.
    Skipped { code: String, reason: String },
}

impl Outcome {
    pub(crate) fn skipped(code: &str, reason: impl Into<String>) -> Self {
        Self::Skipped {
            code: code.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn no_such_contact() -> Self {
        Self::skipped("contact_not_found", "there is no such contact")
    }

    pub(crate) fn not_in_sequence() -> Self {
        Self::skipped("not_in_sequence", "it is not in the sequence")
    }

    /// A call failed, after which nobody knows whether it was carried out.
    pub(crate) fn unknown(title: &str, error: &ProviderError) -> Self {
        let reason = format!("{title} failed, and it is unknown whether it was done: {error}");
        Self::skipped("unknown", reason)
    }

    fn not_tried(title: &str, error: &ProviderError) -> Self {
        let reason = format!("{title} was not asked, because it failed before: {error}");
        Self::skipped("not_tried", reason)
    }

    /// The call for the first of these contacts failed, and the others were not tried.
    pub(crate) fn stopped_at(
        rest: &[String],
        title: &str,
        error: &ProviderError,
    ) -> Vec<(String, Self)> {
        let outcome = |(index, id): (usize, &String)| match index {
            0 => (id.clone(), Self::unknown(title, error)),
            _ => (id.clone(), Self::not_tried(title, error)),
        };
        rest.iter().enumerate().map(outcome).collect()
    }
}
