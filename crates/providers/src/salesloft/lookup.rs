//! Looks up one record by its id, to find out whether it still exists.
//!
//! Salesloft answers 404 for a record that is gone, and also for one that the user may not see: a
//! hidden record is in no list either. A 403 is about the token and not about the record: it decides
//! nothing, like any other error.

use syncline_model::Object;

use super::{
    Salesloft,
    api::{Endpoint, collection, unreadable, unsupported},
    usage,
};
use crate::{
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields},
    provider::{Found, Lookup},
    session::Session,
};

impl Salesloft {
    pub(super) async fn look_up(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError> {
        let Some(collection) = collection(object).filter(|_| is_id(id)) else {
            let message = format!("Salesloft can't look up the {object} '{id}' by id");
            return Err(unsupported(&message));
        };
        let endpoint = Endpoint::get(format!("{collection}/{id}"));
        match self.call(session, endpoint).await {
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

/// Salesloft's ids are whole numbers. Anything else in the path would be another request.
pub(super) fn is_id(id: &str) -> bool {
    id.parse().is_ok_and(|number: u64| number.to_string() == id)
}

/// Evaluates a success: it contains the record, another one, or neither.
fn found_in(response: &Response, id: &str) -> Result<Found, ProviderError> {
    let text = json::clean(&response.body);
    let answered = Fields::parse(&text).and_then(|answer| {
        let record = answer.object("data").ok().flatten()?;
        Some((record.id("id").ok()?, is_deleted(&record)))
    });
    match answered {
        Some((answered, _)) if answered != id => Ok(Found::Another),
        Some((_, true)) => Ok(Found::Gone {
            reason: "Salesloft shows it as deleted".to_owned(),
        }),
        Some(_) => Ok(Found::Exists),
        None => Err(unreadable(response, "it has no `data` with an id")),
    }
}

/// A deleted cadence may still be shown.
fn is_deleted(record: &Fields<'_>) -> bool {
    let state = record.text("current_state").ok().flatten();
    state.as_deref() == Some("deleted")
}

/// What an error response says about the record, if anything. A proxy's own 404 has other words.
fn found_despite(error: &ProviderError) -> Option<Found> {
    if (300..400).contains(&error.status?) {
        return Some(Found::Another);
    }
    let said = error.body.as_deref().and_then(Fields::parse)?;
    let said = said.text("error").ok().flatten()?.to_lowercase();
    let gone = error.kind == ErrorKind::NotFound && said.contains("not found");
    gone.then(|| Found::Gone {
        reason: error.message.clone(),
    })
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
