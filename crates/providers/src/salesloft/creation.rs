//! Creates records so that none is created twice.
//!
//! When the answer to a create is lost, the record is searched for among those that Salesloft created a
//! moment ago.

use serde_json::{Map, Value, value::RawValue};
use syncline_model::Object;

use super::{
    Salesloft,
    api::{Endpoint, PER_PAGE, unreadable},
    mapping,
};
use crate::{
    capabilities::WriteResult,
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields},
    live::Parameter,
    lost::{self, Lost},
    session::Session,
};

/// A record to create, and how to recognise it.
pub(super) struct Creation {
    pub(super) collection: &'static str,
    pub(super) fields: Map<String, Value>,
    /// A search that finds it; without one, a lost answer stays an error.
    pub(super) sought: Vec<Parameter>,
    /// The fields that it shows as they were sent.
    pub(super) same: &'static [&'static str],
}

impl Salesloft {
    /// The JSON of the new record.
    pub(super) async fn create(
        &self,
        session: &Session<'_>,
        creation: &Creation,
    ) -> Result<Box<RawValue>, ProviderError> {
        let body = Value::Object(creation.fields.clone());
        let endpoint = Endpoint::post(creation.collection, body);
        let created = match self.call(session, endpoint).await {
            Ok(response) => record_of(&response),
            Err(error) => Err(error),
        };
        match created {
            Err(error) if error.is_temporary() => {
                let found = self.created_anyway(session, creation).await;
                found.ok_or(error)
            }
            created => created,
        }
    }

    /// The record, if it was created although the answer was lost.
    async fn created_anyway(
        &self,
        session: &Session<'_>,
        creation: &Creation,
    ) -> Option<Box<RawValue>> {
        let Creation {
            collection,
            fields: sent,
            sought,
            same,
        } = creation;
        if sought.is_empty() {
            return None;
        }
        self.newest(session, (collection, sought), (sent, same))
            .await
    }

    /// The record of a search that was created a moment ago and has what was sent.
    pub(super) async fn newest(
        &self,
        session: &Session<'_>,
        (collection, sought): (&'static str, &[Parameter]),
        (sent, same): (&Map<String, Value>, &[&str]),
    ) -> Option<Box<RawValue>> {
        let mut endpoint = Endpoint::get(collection).query("per_page", &PER_PAGE);
        for (name, value) in sought {
            endpoint = endpoint.query(name, value);
        }
        let response = self.call(session, endpoint).await.ok()?;
        let since = lost::since(&response)?;
        let lost = Lost { sent, same, since };
        let text = json::clean(&response.body);
        let listed = Fields::parse(&text)?.list("data").ok()?;
        let is_it = |raw: &&RawValue| {
            let fields = Fields::of(raw);
            fields.is_some_and(|fields| lost.is(&fields, "created_at"))
        };
        let found = listed.into_iter().find(is_it);
        found.map(ToOwned::to_owned)
    }
}

/// The JSON of the record in a response.
pub(super) fn record_of(response: &Response) -> Result<Box<RawValue>, ProviderError> {
    let text = json::clean(&response.body);
    let record = Fields::parse(&text).and_then(|answer| answer.raw("data"));
    let record = record.ok_or_else(|| unreadable(response, "it has no `data`"))?;
    Ok(record.to_owned())
}

/// What the answer to a write reports. A record that can't be mapped is there all the same: its id is
/// returned, because an error would invite a second write.
pub(super) fn written(record: &RawValue, object: Object) -> Result<WriteResult, ProviderError> {
    let id = Fields::of(record).and_then(|fields| fields.id("id").ok());
    let id = id.ok_or_else(|| {
        let message = "Salesloft's answer can't be read: the record has no id";
        ProviderError::new(ErrorKind::InvalidResponse, None, message)
    })?;
    let mapped = mapping::map_page(object, &[record]);
    let (records, warnings) = match mapped.rejected.first() {
        None => (Some(mapped.records), Vec::new()),
        Some(rejected) => {
            let warning = format!("the {object} can't be shown: {}", rejected.reason);
            (None, vec![warning])
        }
    };
    Ok(WriteResult {
        id,
        records,
        warnings,
    })
}
