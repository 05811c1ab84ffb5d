//! The change feed of a connection: what changed behind a cursor.

use std::{collections::BTreeSet, time::Duration};

use axum::{Extension, Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use syncline_model::{
    ChangeKind, FeedCursor, FeedPosition, Object as CommonObject, Time, object::UnknownObject,
};
use syncline_store::{ChangeQuery, ChangedRecord, Connection};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::records::RecordBody;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{ConnectionCaller, Query},
    guard::RequestSlot,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// In seconds.
const MAX_WAIT: u64 = 25;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListChanges {
    /// The `next_cursor` of the answer before, a change's `cursor`, or that of an event. Without it, the
    /// feed begins with all that there is.
    cursor: Option<String>,
    /// Objects, separated by commas, such as `contact,sequence_state`; all if it is left out.
    objects: Option<String>,
    /// The most changes of an answer: 1 to 1000; default 100. Fewer are sent if they are large.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// For how many seconds an answer without changes is held back, until there are some: 0 to 25;
    /// default 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 25)]
    wait: Option<String>,
    /// Show the provider's own JSON of each record.
    #[serde(default)]
    include_raw_data: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = change_list)]
pub(crate) struct ChangeList {
    changes: Vec<ChangeBody>,
    /// For the next request. Always there.
    next_cursor: String,
    /// Whether there are more changes already.
    has_more: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = change)]
pub(crate) struct ChangeBody {
    /// The place behind this change.
    pub(super) cursor: String,
    object: CommonObject,
    /// The provider's id of the record.
    id: String,
    kind: ChangeKind,
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    changed_at: Time,
    /// The record in its newest state, as the lists of its object show it.
    #[schema(value_type = Object)]
    record: Box<RawValue>,
}

/// What changed behind a cursor, in the order of the commits.
///
/// One order over all objects of the connection. A record that changed several times comes once, in its
/// newest state and place. A cursor from before the connection was made anew or the database was restored
/// is refused with 410.
#[utoipa::path(get, path = "/changes", tag = "Changes", operation_id = "listChanges",
    params(ListChanges, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header)),
    responses((status = 200, description = "Changes", body = ChangeList)))]
pub(crate) async fn list_changes(
    ConnectionCaller { connection, caller }: ConnectionCaller,
    State(state): State<AppState>,
    slot: Option<Extension<RequestSlot>>,
    Query(asked): Query<ListChanges>,
) -> ApiResult<JsonBody<ChangeList>> {
    let until = Instant::now() + asked.wait()?;
    let mut reader = FeedReader::behind(&connection, &asked, asked.cursor())?;
    let mut page = reader.read(&state, &connection).await?;
    if page.changes.is_empty() && Instant::now() < until {
        let waiting = state.guard.wait_instead(slot.as_deref(), &caller.key)?;
        while page.changes.is_empty() {
            let newer = reader.newer(&state, &connection);
            if timeout_at(until, newer).await.is_err() || state.tasks.is_closed() {
                break;
            }
            page = reader.read(&state, &connection).await?;
        }
        drop(waiting);
    }
    Ok(JsonBody(page))
}

/// Reads a feed from its cursor on.
pub(super) struct FeedReader {
    cursor: FeedCursor,
    /// Whether the cursor came from the caller, and has to fit the feed.
    is_given: bool,
    objects: Vec<CommonObject>,
    limit: usize,
    include_raw_data: bool,
}

impl FeedReader {
    pub(super) fn behind(
        connection: &Connection,
        asked: &ListChanges,
        cursor: Option<&str>,
    ) -> ApiResult<Self> {
        let objects = asked.objects()?;
        let given = cursor.map(|text| given_cursor(text, connection, &objects));
        let given = given.transpose()?;
        let all = objects.len() == CommonObject::ALL.len();
        let start = || FeedCursor {
            connection_id: connection.id.clone(),
            epoch: String::new(),
            objects: None,
            position: FeedPosition::START,
            known_ms: None,
        };
        let is_given = given.is_some();
        let cursor = given.unwrap_or_else(start);
        Ok(Self {
            cursor: FeedCursor {
                objects: (!all).then(|| objects.clone()),
                ..cursor
            },
            is_given,
            objects: objects.into_iter().collect(),
            limit: asked.limit()?,
            include_raw_data: asked.include_raw_data,
        })
    }

    /// The next changes; the cursor moves behind them.
    pub(super) async fn read(
        &mut self,
        state: &AppState,
        connection: &Connection,
    ) -> ApiResult<ChangeList> {
        let feed = state.store.change_feed(&connection.id).await?;
        if !self.is_given {
            self.cursor.epoch.clone_from(&feed.epoch);
            self.is_given = true;
        }
        if self.cursor.epoch != feed.epoch || self.cursor.position.stamp_ms > feed.newest_ms {
            return Err(start_over("the database was restored since"));
        }
        let batch = state
            .store
            .changes(&ChangeQuery {
                connection: &connection.reference(),
                objects: &self.objects,
                after: &self.cursor.position,
                until_ms: feed.newest_ms,
                known_ms: self.cursor.known_ms,
                include_raw_data: self.include_raw_data,
                limit: self.limit,
            })
            .await?;
        let mut changes = Vec::with_capacity(batch.changes.len());
        for change in batch.changes {
            let changed_at = change.changed_at();
            self.cursor.position = change.position;
            changes.push(ChangeBody {
                cursor: self.cursor.to_text(),
                object: change.record.object(),
                id: change.record.id().to_owned(),
                kind: change.kind,
                changed_at,
                record: body_of(change.record)?,
            });
        }
        if batch.more {
            self.cursor.position = batch.position;
        } else {
            self.cursor.position = FeedPosition::after_stamp(feed.newest_ms);
            self.cursor.known_ms = Some(feed.newest_ms);
        }
        Ok(ChangeList {
            changes,
            next_cursor: self.cursor.to_text(),
            has_more: batch.more,
        })
    }

    /// Resolves when something is committed that was not read, or when the process ends.
    pub(super) async fn newer(&self, state: &AppState, connection: &Connection) {
        let known = self.cursor.position.stamp_ms;
        let feeds = &state.feeds;
        feeds
            .newer(&state.store, &state.tasks, &connection.id, known)
            .await;
    }

    pub(super) fn cursor(&self) -> String {
        self.cursor.to_text()
    }
}

impl ChangeList {
    /// The changes, and whether they are all that there are.
    pub(super) fn into_parts(self) -> (Vec<ChangeBody>, bool) {
        (self.changes, !self.has_more)
    }
}

impl ListChanges {
    pub(super) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    fn objects(&self) -> ApiResult<BTreeSet<CommonObject>> {
        let Some(names) = &self.objects else {
            return Ok(CommonObject::ALL.iter().copied().collect());
        };
        names
            .split(',')
            .map(|name| {
                name.trim().parse().map_err(|error: UnknownObject| {
                    ApiError::validation("objects", error.to_string())
                })
            })
            .collect()
    }

    fn limit(&self) -> ApiResult<usize> {
        number("limit", self.limit.as_deref(), DEFAULT_LIMIT, 1..=MAX_LIMIT)
    }

    fn wait(&self) -> ApiResult<Duration> {
        number("wait", self.wait.as_deref(), 0, 0..=MAX_WAIT).map(Duration::from_secs)
    }
}

fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    field: &str,
    given: Option<&str>,
    default: N,
    range: std::ops::RangeInclusive<N>,
) -> ApiResult<N> {
    let Some(text) = given else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| {
            let reason = format!("must be a number from {} to {}", range.start(), range.end());
            ApiError::validation(field, reason)
        })
}

fn given_cursor(
    text: &str,
    connection: &Connection,
    objects: &BTreeSet<CommonObject>,
) -> ApiResult<FeedCursor> {
    let cursor = FeedCursor::parse(text).ok_or_else(|| {
        ApiError::validation(
            "cursor",
            "is not a cursor of a change feed; leave it out to begin with all that there is",
        )
    })?;
    if cursor.connection_id != connection.id {
        return Err(start_over("it belongs to another connection"));
    }
    if let Some(object) = cursor.lacks(objects) {
        return Err(ApiError::validation(
            "objects",
            format!(
                "the cursor was given for a list without {object}; ask for the objects of before, or \
                 leave the cursor out to begin with all that there is"
            ),
        ));
    }
    Ok(cursor)
}

fn start_over(why: &str) -> ApiError {
    ApiError::Gone(format!(
        "this cursor can't be used any more, because {why}: start over without a cursor, and take what \
         is not in the feed's first pass (up to has_more=false) for deleted"
    ))
}

fn body_of(record: ChangedRecord) -> ApiResult<Box<RawValue>> {
    let body = match record {
        ChangedRecord::User(row) => serde_json::value::to_raw_value(&RecordBody::from(row)),
        ChangedRecord::Mailbox(row) => serde_json::value::to_raw_value(&RecordBody::from(row)),
        ChangedRecord::Sequence(row) => serde_json::value::to_raw_value(&RecordBody::from(row)),
        ChangedRecord::Account(row) => serde_json::value::to_raw_value(&RecordBody::from(row)),
        ChangedRecord::Contact(row) => serde_json::value::to_raw_value(&RecordBody::from(*row)),
        ChangedRecord::SequenceState(row) => {
            serde_json::value::to_raw_value(&RecordBody::from(row))
        }
    };
    body.map_err(|error| ApiError::Internal(format!("a record can't be written as JSON: {error}")))
}
