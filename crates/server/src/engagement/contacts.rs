//! Contacts: lists, gets, searches and writes.

use std::collections::HashSet;

use axum::{Json as JsonBody, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use syncline_model::{Contact, draft::ContactDraft};
use syncline_store::{Connection, Search};
use utoipa::ToSchema;

use super::{
    cached, live,
    records::{
        self, GetRecord, ListAnswer, ListRecords, Pagination, RecordBody, RecordList, SearchRecords,
    },
    writes::{Created, Given, Updated},
};
use crate::{
    AppState, cursor,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json, Path, Query},
    remote::Remote,
};

/// The most addresses of one search.
const MOST_EMAILS: usize = 1000;

/// The connection's contacts.
#[utoipa::path(get, path = "/contacts", tag = "Contacts", operation_id = "listContacts",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Contacts", body = RecordList<Contact>)))]
pub(crate) async fn list_contacts(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<Contact>(&state, &connection, asked).await
}

/// One contact.
#[utoipa::path(get, path = "/contacts/{contact_id}", tag = "Contacts", operation_id = "getContact",
    params(GetRecord, ("contact_id" = String, Path, description = "The contact's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The contact", body = RecordBody<Contact>)))]
pub(crate) async fn get_contact(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<Contact>>> {
    records::get(&state, &connection, &id, &asked).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = search_contacts)]
pub(crate) struct SearchContacts {
    filter: ContactFilter,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = contact_filter)]
struct ContactFilter {
    /// Whole addresses, at most 1000, case-insensitive.
    #[schema(min_items = 1, max_items = 1000)]
    emails: Vec<String>,
}

/// The contacts that have one of these e-mail addresses, as their primary one or as another.
///
/// When read from the provider, a page holds the contacts of `page_size` addresses, in the order
/// given.
#[utoipa::path(post, path = "/contacts/_search", tag = "Contacts", operation_id = "searchContacts",
    params(SearchRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = SearchContacts,
    responses((status = 200, description = "Contacts", body = RecordList<Contact>)))]
pub(crate) async fn search_contacts(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<SearchRecords>,
    Json(body): Json<SearchContacts>,
) -> ApiResult<ListAnswer> {
    let emails = distinct(body.filter.emails)?;
    if asked.read_from_cache {
        return cached::search::<Contact>(&state, &connection, &asked, Search::Emails(&emails))
            .await;
    }
    search_live(&state, &connection, &asked, &emails).await
}

/// A position in a search: the number of addresses that were searched already.
#[derive(Serialize, Deserialize)]
struct EmailCursor {
    emails_before: usize,
    /// Which search it belongs to.
    of: String,
}

async fn search_live(
    state: &AppState,
    connection: &Connection,
    asked: &SearchRecords,
    emails: &[String],
) -> ApiResult<ListAnswer> {
    let size = asked.page_size.as_deref();
    let size = cursor::page_size(size, cached::SEARCH_PAGE_SIZE, cached::SEARCH_PAGE_SIZE)?;
    let size = usize::try_from(size).unwrap_or(1);
    let of = cursor::name_of(emails);
    let before = match asked.cursor.as_deref() {
        Some(cursor) => {
            let at: EmailCursor = cursor::decode(cursor)?;
            if at.of != of || at.emails_before >= emails.len() {
                return Err(cursor::foreign());
            }
            at.emails_before
        }
        None => 0,
    };
    let until = emails.len().min(before + size);
    let remote = Remote::of(state, connection).await?;
    let found = remote
        .capabilities()
        .live_reads()?
        .contacts_by_email(&remote.session(), &emails[before..until])
        .await?;
    let records = live::bodies::<Contact>(state, found, asked.include_raw_data);
    let link = |emails_before| {
        let of = of.clone();
        cursor::encode(&EmailCursor { emails_before, of })
    };
    let is_whole = before == 0 && until == emails.len();
    ListAnswer::of(&RecordList {
        pagination: Pagination {
            next: (until < emails.len()).then(|| link(until)),
            previous: (before > 0).then(|| link(before.saturating_sub(size))),
            total_count: is_whole.then_some(i64::try_from(records.len()).unwrap_or(i64::MAX)),
        },
        records,
    })
}

/// Each address once, in the order given.
fn distinct(emails: Vec<String>) -> ApiResult<Vec<String>> {
    if emails.len() > MOST_EMAILS {
        let reason = format!("must not be more than {MOST_EMAILS}");
        return Err(ApiError::validation("filter.emails", reason));
    }
    let (mut distinct, mut known) = (Vec::new(), HashSet::new());
    for (index, email) in emails.into_iter().enumerate() {
        let email = email.trim();
        if email.is_empty() {
            let field = format!("filter.emails[{index}]");
            return Err(ApiError::validation(field, "must not be empty"));
        }
        if known.insert(email.to_lowercase()) {
            distinct.push(email.to_owned());
        }
    }
    if distinct.is_empty() {
        return Err(ApiError::validation(
            "filter.emails",
            "must name at least one address",
        ));
    }
    Ok(distinct)
}

/// Creates a contact. Apollo creates it even if one with the same address exists; Outreach and
/// Salesloft refuse it then.
#[utoipa::path(post, path = "/contacts", tag = "Contacts", operation_id = "createContact",
    params(("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    request_body = Given<ContactDraft>,
    responses((status = 201, description = "The contact's id", body = Created)))]
pub(crate) async fn create_contact(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Json(body): Json<Given<ContactDraft>>,
) -> ApiResult<(StatusCode, JsonBody<Created>)> {
    let remote = Remote::of(&state, &connection).await?;
    let wrote = remote
        .capabilities()
        .record_writes()?
        .create_contact(&remote.session(), &body.record)
        .await?;
    let created = Created::of(&state, &remote, wrote).await;
    Ok((StatusCode::CREATED, JsonBody(created)))
}

/// Changes the given fields of a contact.
#[utoipa::path(patch, path = "/contacts/{contact_id}", tag = "Contacts",
    operation_id = "updateContact", request_body = Given<ContactDraft>,
    params(("contact_id" = String, Path, description = "The contact's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The contact was changed", body = Updated)))]
pub(crate) async fn update_contact(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(body): Json<Given<ContactDraft>>,
) -> ApiResult<JsonBody<Updated>> {
    let remote = Remote::of(&state, &connection).await?;
    let wrote = remote
        .capabilities()
        .record_writes()?
        .update_contact(&remote.session(), &id, &body.record)
        .await?;
    Ok(JsonBody(Updated::of(&state, &remote, wrote).await))
}
