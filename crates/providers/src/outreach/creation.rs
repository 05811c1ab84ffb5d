//! Creates records so that none is created twice.
//!
//! Outreach knows no idempotency keys. When the answer to a create is lost, the record is searched for
//! among those that Outreach created in the last minutes: an error would invite a second one.

use serde_json::value::RawValue;
use syncline_model::Object;

use super::{Outreach, api::unreadable, document::Document, mapping};
use crate::{
    capabilities::WriteResult,
    error::ProviderError,
    http::{Method, Response},
    json::{self, Fields},
    live::Parameter,
    lost::{self, Lost},
    session::Session,
};

/// How many of the newest matches are looked at.
const LOOKED_AT: &str = "20";

/// A record to create, and how to recognise it.
pub(super) struct Creation {
    pub(super) collection: &'static str,
    pub(super) document: Document,
    /// A search that finds it; without one, a lost answer stays an error.
    pub(super) sought: Vec<Parameter>,
    /// The attributes that it has as they were sent.
    pub(super) same: &'static [&'static str],
}

impl Outreach {
    /// The JSON of the new record.
    pub(super) async fn create(
        &self,
        session: &Session<'_>,
        creation: &Creation,
    ) -> Result<Box<RawValue>, ProviderError> {
        let body = creation.document.to_body();
        let to = (Method::POST, creation.collection);
        let created = match self.write_in(session, to, Some(body)).await {
            Ok(response) => record_of(&response),
            Err(error) => Err(error),
        };
        match created {
            Err(error) if error.is_temporary() => {
                self.created_anyway(session, creation).await.ok_or(error)
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
        if creation.sought.is_empty() {
            return None;
        }
        let mut query = vec![("page[size]", LOOKED_AT.to_owned())];
        query.extend(creation.sought.iter().cloned());
        let read = self.read_in(session, creation.collection, query).await;
        let response = read.ok()?;
        let lost = Lost {
            sent: creation.document.attributes(),
            same: creation.same,
            since: lost::since(&response)?,
        };
        let text = json::clean(&response.body);
        let listed = Fields::parse(&text)?.list("data").ok()?;
        let is_it = |raw: &&RawValue| {
            let attributes = Fields::of(raw).and_then(|it| it.object("attributes").ok()?);
            attributes.is_some_and(|attributes| lost.is(&attributes, "createdAt"))
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

/// The number of a record that Outreach created.
pub(super) fn number_of(record: &RawValue) -> Result<u64, ProviderError> {
    let id = Fields::of(record).and_then(|fields| fields.id("id").ok());
    id.as_deref()
        .and_then(super::lookup::whole)
        .ok_or_else(without_id)
}

/// What the answer to a write reports. A record that can't be mapped is there all the same: its id is
/// returned, because an error would invite a second write.
pub(super) fn written(record: &RawValue, object: Object) -> Result<WriteResult, ProviderError> {
    let id = number_of(record)?.to_string();
    let (records, rejected) = mapping::map_page(object, &[record]);
    let (records, warnings) = match rejected.first() {
        None => (Some(records), Vec::new()),
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

fn without_id() -> ProviderError {
    let message = "Outreach's answer can't be read: the record has no id";
    ProviderError::new(crate::error::ErrorKind::InvalidResponse, None, message)
}
