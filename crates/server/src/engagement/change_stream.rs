//! The change feed as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream::{self, StreamExt};
use syncline_store::Connection;
use tokio::time::{Instant, timeout_at};

use super::changes::{ChangeList, FeedReader, ListChanges};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, ConnectionCaller, Query},
    guard::WaitShare,
};

/// How long a stream lasts. Clients then open another one, with the last event's id.
const LASTS: Duration = Duration::from_mins(10);
/// A comment is sent at least this often, so that neither side takes the connection for dead.
const QUIET: Duration = Duration::from_secs(15);
/// How often an open stream looks whether its key and its connection are still there.
const ALLOWED_FOR: Duration = Duration::from_secs(15);

/// What changed behind a cursor, as server-sent events.
///
/// An event `change` for each change, with its cursor as id, and `caught_up` when everything was sent. A
/// client that reconnects sends the last id as `Last-Event-ID`, which comes before the parameter
/// `cursor`. A stream ends after ten minutes, and when its key is revoked.
#[utoipa::path(get, path = "/changes/_stream", tag = "Changes", operation_id = "streamChanges",
    params(ListChanges, ("x-customer-id" = String, Header), ("x-provider-name" = String, Header),
        ("Last-Event-ID" = Option<String>, Header, description = "The cursor to go on from")),
    responses((status = 200, description = "Changes, as the list has them", body = String,
        content_type = "text/event-stream")))]
pub(crate) async fn stream_changes(
    ConnectionCaller { connection, caller }: ConnectionCaller,
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(asked): Query<ListChanges>,
) -> ApiResult<Response> {
    if asked.waits() {
        return Err(ApiError::validation(
            "wait",
            "a stream always waits; leave it out",
        ));
    }
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    let last = last.map(|id| id.to_str().unwrap_or_default());
    let mut reader = FeedReader::behind(&connection, &asked, last.or(asked.cursor()))?;
    // Whatever is wrong with the cursor is told by the answer's status.
    let first = reader.read(&state, &connection).await?;
    let open = OpenStream {
        _share: state.guard.wait(&caller.key)?,
        caught_up_at: None,
        next: Some(first),
        until: Instant::now() + LASTS,
        reader,
        connection,
        caller,
        state,
    };
    let events = stream::unfold(open, OpenStream::next).flat_map(stream::iter);
    let keep_alive = KeepAlive::new().interval(QUIET);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // nginx would keep events back.
    let no_buffering = axum::http::HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", no_buffering);
    Ok(response)
}

struct OpenStream {
    state: AppState,
    connection: Arc<Connection>,
    caller: Caller,
    reader: FeedReader,
    /// What was read and not sent.
    next: Option<ChangeList>,
    /// The cursor of the last `caught_up`.
    caught_up_at: Option<String>,
    until: Instant,
    _share: WaitShare,
}

type Events = Vec<Result<Event, Infallible>>;

impl OpenStream {
    /// The next events, with the stream that follows them.
    async fn next(mut self) -> Option<(Events, Self)> {
        loop {
            if let Some(page) = self.next.take() {
                let events = self.events_of(page);
                if !events.is_empty() {
                    return Some((events, self));
                }
            }
            if Instant::now() >= self.until || self.state.tasks.is_closed() {
                return None;
            }
            if self.caught_up_at.is_some() {
                let look_again = self.until.min(Instant::now() + ALLOWED_FOR);
                let newer = self.reader.newer(&self.state, &self.connection);
                let _ = timeout_at(look_again, newer).await;
            }
            if !self.is_allowed().await {
                return None;
            }
            self.next = self.reader.read(&self.state, &self.connection).await.ok();
            self.next.as_ref()?;
        }
    }

    fn events_of(&mut self, page: ChangeList) -> Events {
        let (changes, caught_up) = page.into_parts();
        let mut events: Events = changes
            .into_iter()
            .filter_map(|change| {
                let event = Event::default().id(&change.cursor).event("change");
                event.json_data(change).ok()
            })
            .map(Ok)
            .collect();
        let cursor = self.reader.cursor();
        if caught_up && self.caught_up_at.as_ref() != Some(&cursor) {
            let event = Event::default().id(&cursor).event("caught_up").data("{}");
            events.push(Ok(event));
        }
        self.caught_up_at = caught_up.then_some(cursor);
        events
    }

    /// Whether the key may still read this connection.
    async fn is_allowed(&self) -> bool {
        let tenant = &self.caller.tenant;
        let key = tenant.get_api_key(&self.caller.key.id).await;
        let is_valid =
            key.is_ok_and(|key| key.is_some_and(|key| key.is_valid(self.state.clock.now())));
        let there = tenant.get_connection(&self.connection.customer_id, self.connection.provider);
        let is_there = there
            .await
            .is_ok_and(|there| there.is_some_and(|there| there.id == self.connection.id));
        is_valid && is_there
    }
}
