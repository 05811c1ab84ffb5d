//! Looks up one record by its id, to find out whether it still exists.
//!
//! The caller may mark a row as deleted because of the answer, so only Outreach's own code for a record
//! that is not there counts; a path that leads nowhere is an error and decides nothing. An account that
//! nobody named is not listed, but still found here.

use syncline_model::Object;

use super::{Outreach, api::unreadable, error, usage};
use crate::{
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields},
    provider::{Found, Lookup},
    session::Session,
};

impl Outreach {
    pub(super) async fn look_up(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError> {
        let number = whole(id).ok_or_else(|| {
            let message =
                format!("Outreach can't look up the {object} '{id}': its ids are whole numbers");
            ProviderError::new(ErrorKind::Rejected, None, &message).with_records(0)
        })?;
        match self.read_one(session, object, number).await {
            Ok(response) => {
                let usage = usage::usage_of(&response);
                match found_in(&response, id) {
                    Ok(found) => Ok(Lookup {
                        found,
                        served: 1,
                        usage,
                    }),
                    Err(error) => Err(error.with_usage(usage)),
                }
            }
            Err(error) => match found_despite(&error) {
                Some(found) => Ok(Lookup {
                    found,
                    served: 0,
                    usage: error.usage,
                }),
                None => Err(error),
            },
        }
    }
}

/// The number that an id is.
pub(super) fn whole(id: &str) -> Option<u64> {
    let is_whole = id.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| id.parse().ok()).flatten()
}

/// Evaluates a success: it contains the record, another one, or neither.
fn found_in(response: &Response, id: &str) -> Result<Found, ProviderError> {
    let text = json::clean(&response.body);
    let record = Fields::parse(&text).and_then(|answer| answer.object("data").ok().flatten());
    let record = record.ok_or_else(|| unreadable(response, "it has no `data`"))?;
    let answered = record
        .id("id")
        .map_err(|malformed| unreadable(response, &malformed.to_string()))?;
    Ok(if answered != id {
        Found::Another
    } else if is_trashed(&record) {
        Found::Gone {
            reason: "Outreach has it in its trash".to_owned(),
        }
    } else {
        Found::Exists
    })
}

fn is_trashed(record: &Fields<'_>) -> bool {
    let attributes = record.object("attributes").ok().flatten();
    let trashed_at = attributes.and_then(|attributes| attributes.time("trashedAt").ok().flatten());
    trashed_at.is_some()
}

/// What an error response says about the record, if anything.
fn found_despite(error: &ProviderError) -> Option<Found> {
    let reason = error.message.clone();
    match (error.status?, error::code_of(error)?.as_str()) {
        (404, error::NO_RECORD) => Some(Found::Gone { reason }),
        (403, error::NOT_FOR_USER) => Some(Found::Hidden { reason }),
        _ => None,
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
