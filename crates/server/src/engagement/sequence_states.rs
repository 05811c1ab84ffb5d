//! Sequence states: lists, gets and searches. Changes are in `enrolments`.

use axum::{Json as JsonBody, extract::State};
use serde::Deserialize;
use syncline_model::{Common, Object, Records, SequenceState};
use syncline_store::{Connection, Search};
use utoipa::ToSchema;

use super::{
    cached, live,
    records::{
        self, GetRecord, ListAnswer, ListRecords, Pagination, RecordBody, RecordList, SearchRecords,
    },
};
use crate::{
    AppState, cursor,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Json, Path, Query},
    remote::Remote,
};

/// The connection's sequence states. When read from Apollo, a page holds the states of `page_size`
/// contacts.
#[utoipa::path(get, path = "/sequence_states", tag = "SequenceStates",
    operation_id = "listSequenceStates",
    params(ListRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Sequence states", body = RecordList<SequenceState>)))]
pub(crate) async fn list_sequence_states(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<ListRecords>,
) -> ApiResult<ListAnswer> {
    records::list::<SequenceState>(&state, &connection, asked).await
}

/// One sequence state.
#[utoipa::path(get, path = "/sequence_states/{sequence_state_id}", tag = "SequenceStates",
    operation_id = "getSequenceState",
    params(GetRecord, ("sequence_state_id" = String, Path, description = "The state's id"),
        ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "The state", body = RecordBody<SequenceState>)))]
pub(crate) async fn get_sequence_state(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(asked): Query<GetRecord>,
) -> ApiResult<JsonBody<RecordBody<SequenceState>>> {
    records::get(&state, &connection, &id, &asked).await
}

#[derive(Deserialize, ToSchema)]
#[schema(as = search_sequence_states)]
pub(crate) struct SearchSequenceStates {
    filter: StateFilter,
}

/// At least one of them is required; a state must match all that are given.
#[derive(Deserialize, ToSchema)]
#[schema(as = sequence_state_filter)]
struct StateFilter {
    contact_id: Option<String>,
    sequence_id: Option<String>,
}

/// The states of a contact, in a sequence, or both.
#[utoipa::path(post, path = "/sequence_states/_search", tag = "SequenceStates",
    operation_id = "searchSequenceStates", request_body = SearchSequenceStates,
    params(SearchRecords, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Sequence states", body = RecordList<SequenceState>)))]
pub(crate) async fn search_sequence_states(
    ConnectionCaller { connection, .. }: ConnectionCaller,
    State(state): State<AppState>,
    Query(asked): Query<SearchRecords>,
    Json(body): Json<SearchSequenceStates>,
) -> ApiResult<ListAnswer> {
    let filter = body.filter;
    let (contact_id, sequence_id) = (filter.contact_id.as_deref(), filter.sequence_id.as_deref());
    if asked.read_from_cache && (contact_id.is_some() || sequence_id.is_some()) {
        let search = Search::State {
            contact_id,
            sequence_id,
        };
        return cached::search::<SequenceState>(&state, &connection, &asked, search).await;
    }
    match (contact_id, sequence_id) {
        (Some(contact), sequence) => {
            of_contact(&state, &connection, &asked, contact, sequence).await
        }
        (None, Some(sequence)) => of_sequence(&state, &connection, &asked, sequence).await,
        (None, None) => Err(ApiError::validation(
            "filter",
            "contact_id or sequence_id must be given",
        )),
    }
}

/// A contact has few states: they come in one answer.
async fn of_contact(
    state: &AppState,
    connection: &Connection,
    asked: &SearchRecords,
    contact_id: &str,
    sequence_id: Option<&str>,
) -> ApiResult<ListAnswer> {
    let size = asked.page_size.as_deref();
    cursor::page_size(size, live::MAX_PAGE_SIZE, live::MAX_PAGE_SIZE)?;
    if asked.cursor.is_some() {
        return Err(cursor::foreign());
    }
    let remote = Remote::of(state, connection).await?;
    let found = remote
        .capabilities()
        .live_reads()?
        .states_of_contact(&remote.session(), contact_id)
        .await?;
    let mut states = SequenceState::of(found);
    if let Some(wanted) = sequence_id {
        states.retain(|state| state.fields.sequence_id.as_deref() == Some(wanted));
    }
    let total_count = i64::try_from(states.len()).ok();
    let records = Records::SequenceStates(states);
    ListAnswer::of(&RecordList {
        pagination: Pagination {
            next: None,
            previous: None,
            total_count,
        },
        records: live::bodies::<SequenceState>(state, records, asked.include_raw_data),
    })
}

async fn of_sequence(
    state: &AppState,
    connection: &Connection,
    asked: &SearchRecords,
    sequence_id: &str,
) -> ApiResult<ListAnswer> {
    let (object, of) = (Object::SequenceState, Some(sequence_id));
    let (size, cursor) = (asked.page_size.as_deref(), asked.cursor.as_deref());
    let ask = live::page_asked(object, of, size, live::MAX_PAGE_SIZE, cursor)?;
    let remote = Remote::of(state, connection).await?;
    let page = remote
        .capabilities()
        .live_reads()?
        .states_of_sequence(&remote.session(), sequence_id, ask.request())
        .await
        .map_err(|error| ask.refused(error))?;
    ListAnswer::of(&RecordList {
        pagination: live::pagination(object, of, &ask, page.next, page.total),
        records: live::bodies::<SequenceState>(state, page.records, asked.include_raw_data),
    })
}
