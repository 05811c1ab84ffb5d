//! Live parts of pages, by server-sent events: a page's own address, asked for as an event stream,
//! sends its parts whenever they change.
//!
//! A part is `<div id="…" data-live>…<!--/live--></div>` in the page's template, so a page becomes live
//! by marking a part. The stream makes the page again and again, as its viewer would see it; when it
//! is no longer theirs to see, the stream says so and ends. All streams of a process take turns, and
//! together make pages for a fifth of the time at most, so that many open pages don't slow the syncs.

use std::{collections::HashMap, convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::json;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};
use tokio_util::task::TaskTracker;

/// The shortest time between two looks at a page.
const EVERY: Duration = Duration::from_secs(1);
/// After a page was made for a stream, no other is made for so many times as long as that took.
const REST: u32 = 4;
/// A comment is sent at least this often, so that neither side takes the connection for dead.
const QUIET: Duration = Duration::from_secs(15);
/// How long a stream lasts. A browser then opens a new one.
const LASTS: Duration = Duration::from_mins(10);
/// Streams of one process at a time.
const MOST: usize = 500;
/// The largest page, in bytes.
const MAX_PAGE: usize = 16 * 1024 * 1024;

const PART_BEGINS: &str = "\" data-live>";
const PART_ENDS: &str = "<!--/live-->";

/// The pages, as a stream asks for them.
#[derive(Clone)]
pub(crate) struct LivePages {
    pages: Router,
    /// Closed when the process shuts down.
    tasks: TaskTracker,
    slots: Arc<Semaphore>,
    turns: Turns,
}

/// From when on a stream may make its page. Whoever waits for the lock is next, in order.
type Turns = Arc<Mutex<Instant>>;

/// In the extensions of a request for a stream, which needs the live parts of the page only.
#[derive(Clone, Copy)]
pub(crate) struct LivePartsOnly;

impl LivePages {
    pub(crate) fn new(pages: Router, tasks: TaskTracker) -> Self {
        Self {
            pages,
            tasks,
            slots: Arc::new(Semaphore::new(MOST)),
            turns: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Answers requests for event streams; all others go on.
    pub(crate) async fn or_page(self, request: Request, next: Next) -> Response {
        if !wants_events(request.headers()) {
            return next.run(request).await;
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let watch = Watch {
            pages: self.pages,
            tasks: self.tasks,
            uri: request.uri().clone(),
            cookies: request.headers().get(header::COOKIE).cloned(),
            sent: HashMap::new(),
            turns: self.turns,
            began: Instant::now(),
            looked: None,
            over: false,
            _slot: slot,
        };
        let events = stream::unfold(watch, Watch::next);
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // nginx would keep events back.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        (headers, Body::from_stream(events)).into_response()
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept.is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
}

/// One stream.
struct Watch {
    pages: Router,
    tasks: TaskTracker,
    uri: Uri,
    cookies: Option<HeaderValue>,
    /// The parts that the browser has, by id.
    sent: HashMap<String, String>,
    turns: Turns,
    began: Instant,
    /// When it last made the page.
    looked: Option<Instant>,
    over: bool,
    _slot: OwnedSemaphorePermit,
}

impl Watch {
    /// The next event, with the stream that follows it.
    async fn next(mut self) -> Option<(Result<String, Infallible>, Self)> {
        if self.over {
            return None;
        }
        let quiet_since = Instant::now();
        loop {
            if let Some(looked) = self.looked {
                sleep_until(looked + EVERY).await;
            }
            if self.tasks.is_closed() || self.began.elapsed() > LASTS {
                return None;
            }
            let Some(page) = self.page_in_turn().await else {
                self.over = true;
                return Some((Ok("event: gone\ndata: {}\n\n".to_owned()), self));
            };
            let events = self.changes(&page);
            if !events.is_empty() {
                return Some((Ok(events), self));
            }
            if quiet_since.elapsed() > QUIET {
                return Some((Ok(": nothing new\n\n".to_owned()), self));
            }
        }
    }

    /// The page, as soon as it is this stream's turn to make it.
    async fn page_in_turn(&mut self) -> Option<String> {
        let turns = self.turns.clone();
        let mut free_at = turns.lock().await;
        sleep_until(*free_at).await;
        let began = Instant::now();
        let page = self.page().await;
        *free_at = began + began.elapsed() * (1 + REST);
        self.looked = Some(began);
        page
    }

    /// The page as its viewer sees it now; `None` if they can't.
    async fn page(&self) -> Option<String> {
        let mut request = Request::builder().uri(self.uri.clone());
        if let Some(cookies) = &self.cookies {
            request = request.header(header::COOKIE, cookies);
        }
        let request = request.extension(LivePartsOnly).body(Body::empty()).ok()?;
        let Ok(answer) = tower::ServiceExt::oneshot(self.pages.clone(), request).await;
        let ok = answer.status() == StatusCode::OK;
        let body = to_bytes(answer.into_body(), MAX_PAGE).await.ok()?;
        String::from_utf8(body.into()).ok().filter(|_| ok)
    }

    /// Events for the parts that are not as the browser has them.
    fn changes(&mut self, page: &str) -> String {
        let mut events = String::new();
        for (id, html) in parts_of(page) {
            if self.sent.get(id).is_none_or(|sent| sent != html) {
                let data = json!({"id": id, "html": html});
                let _ = write!(events, "event: part\ndata: {data}\n\n");
                self.sent.insert(id.to_owned(), html.to_owned());
            }
        }
        events
    }
}

/// The live parts of a page: their ids and what is in them.
fn parts_of(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.match_indices(PART_BEGINS).filter_map(|(at, begins)| {
        let (_, id) = page[..at].rsplit_once("id=\"")?;
        let (html, _) = page[at + begins.len()..].split_once(PART_ENDS)?;
        Some((id, html))
    })
}

#[cfg(test)]
mod tests {
    use super::parts_of;

    #[test]
    fn a_page_has_the_parts_that_are_marked() {
        let page = r#"<p id="x">1</p><div id="runs" data-live><b>2</b><!--/live--></div>
            <section id="budget" data-live>3<!--/live--></section>"#;
        let parts: Vec<_> = parts_of(page).collect();
        assert_eq!(parts, [("runs", "<b>2</b>"), ("budget", "3")]);
    }

    #[test]
    fn what_a_provider_sends_is_no_part() {
        // As the templates escape it.
        let page = r"<td>&#34; data-live&#62;x&#60;!--/live--&#62;</td>";
        assert_eq!(parts_of(page).count(), 0);
    }
}
