//! Looks up one record by its id, to find out whether it still exists.
//!
//! For a record that no longer exists Apollo answers 422 with a message. Only a message about this
//! very record counts: the caller may mark a row as deleted because of it, so everything else is an
//! error and decides nothing.

use syncline_model::Object;

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    usage,
};
use crate::{
    error::{ErrorKind, ProviderError},
    http::{Response, segment},
    json::{self, Fields},
    provider::{Found, Lookup},
    session::Session,
};

/// An object that can be looked up by id.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// The collection in the path.
    path: &'static str,
    /// The record's key in the response, which is also its name in Apollo's messages.
    name: &'static str,
}

impl Kind {
    fn of(object: Object) -> Option<Self> {
        match object {
            Object::Contact => Some(Self {
                path: "api/v1/contacts",
                name: "contact",
            }),
            Object::Account => Some(Self {
                path: "api/v1/accounts",
                name: "account",
            }),
            Object::User | Object::Mailbox | Object::Sequence | Object::SequenceState => None,
        }
    }
}

impl Apollo {
    pub(super) async fn look_up(
        &self,
        session: &Session<'_>,
        object: Object,
        id: &str,
    ) -> Result<Lookup, ProviderError> {
        let unsupported = || {
            let message = format!("Apollo can't look up the {object} '{id}' by id");
            ProviderError::new(ErrorKind::Rejected, None, &message)
        };
        let kind = Kind::of(object).ok_or_else(unsupported)?;
        let id_in_path = segment(id).ok_or_else(unsupported)?;
        let endpoint = Endpoint::get(format!("{}/{id_in_path}", kind.path));
        match self.call(session, endpoint).await {
            Ok(response) => {
                let usage = usage::usage_of(&response);
                match found_in(&response, kind, id) {
                    Ok(found) => Ok(Lookup {
                        found,
                        served: 1,
                        usage,
                    }),
                    Err(error) => Err(error.with_usage(usage)),
                }
            }
            Err(error) => match found_despite(&error, kind) {
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

/// Evaluates a success: it contains the record, another one, or neither.
fn found_in(response: &Response, kind: Kind, id: &str) -> Result<Found, ProviderError> {
    let text = json::clean(&response.body);
    let answered = Fields::parse(&text).and_then(|answer| {
        let record = answer.object(kind.name).ok().flatten()?;
        record.text("id").ok().flatten()
    });
    match answered {
        Some(answered) if answered == id => Ok(Found::Exists),
        // It may have been merged into another record; that doesn't say whether it is gone.
        Some(_) => Ok(Found::Another),
        None => Err(unreadable(response, &format!("it has no `{}`", kind.name))),
    }
}

/// What an error response says about the record, if anything.
fn found_despite(error: &ProviderError, kind: Kind) -> Option<Found> {
    let said = error.message.to_lowercase();
    let says = |text: &str| said.contains(text);
    let status = error.status?;
    if (300..400).contains(&status) {
        return Some(Found::Another);
    }
    let gone = match status {
        422 => [" does not exist", " has been deleted"]
            .iter()
            .any(|end| says(&format!("this {}{end}", kind.name))),
        // The message for an unknown path is just "Not Found".
        404 => says("record not found") || says(&format!("{} not found", kind.name)),
        _ => false,
    };
    if gone {
        return Some(Found::Gone {
            reason: error.message.clone(),
        });
    }
    let hidden =
        error.status == Some(422) && (says("not authorized to view") || says("not a valid id"));
    hidden.then(|| Found::Hidden {
        reason: error.message.clone(),
    })
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
