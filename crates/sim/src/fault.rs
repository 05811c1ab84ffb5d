//! Faults: rules that say which request fails and how.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use crate::limits::Window;
use crate::request::{SimRequest, WireFault};
use crate::world::dice::Dice;

/// The requests that a rule applies to. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Match {
    part: String,
    method: Option<http::Method>,
    page: Option<u64>,
    nth: Option<u64>,
    chance: Option<f64>,
}

impl Match {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests whose path contains `part`.
    pub fn path(part: &str) -> Self {
        Self {
            part: part.to_owned(),
            ..Self::default()
        }
    }

    pub fn method(mut self, method: http::Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests for that page; a request without a page asks for 1.
    pub fn page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Only the `nth` request, from 1, that meets the conditions above, counted since the rule was
    /// made.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Only this share of the requests, by the seeded randomness of [`Faults`].
    pub fn chance(mut self, share: f64) -> Self {
        self.chance = Some(share);
        self
    }

    fn fits(&self, request: &SimRequest, page: Option<u64>) -> bool {
        request.path.contains(&self.part)
            && self
                .method
                .as_ref()
                .is_none_or(|method| *method == request.method)
            && self.page.is_none_or(|wanted| wanted == page.unwrap_or(1))
    }
}

/// What the fault does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// This answer instead; the request is not carried out.
    Answer {
        status: u16,
        content_type: String,
        body: String,
    },
    /// The request is carried out and then answered with a 500.
    AppliedThenServerError,
    /// The request is carried out; its answer is disturbed on the wire.
    Wire(WireFault),
    /// The request is carried out; in its answer the first text is replaced by the second.
    Respell(String, String),
    /// 200, but the body is not JSON.
    InvalidResponse,
    /// A page without records, with the real totals.
    EmptyPage,
    /// An empty list: no records, and totals of 0.
    EmptyList,
    /// The records of the previous page, under the requested page number.
    RepeatPreviousPage,
    /// The records of this page, under the requested page number.
    RepeatPage(u64),
    /// The totals always report at least one more full page than the requested one. After the real
    /// end the records of the first pages are repeated.
    EndlessPages,
    /// Wrong totals around the page.
    Claim(Claim),
    /// The requested order, reversed.
    TurnedRound,
    /// An arbitrary but stable order, whatever was requested.
    Unordered,
    /// A page of this many records, whatever was requested.
    PageOf(u64),
    /// The records with these ids are missing from the page, but counted in the totals.
    HideRecords(Vec<String>),
    /// One more record in the middle of the page, as JSON.
    InsertRecord(String),
    /// A 429 for that window, whatever the usage; `retry_after` in seconds.
    RateLimited {
        window: Window,
        retry_after: Option<u64>,
    },
    /// The other 429: a write to the same sequence is still in progress.
    AlreadyProcessing,
    /// The key or token is treated as unknown.
    KeyRevoked,
    /// A 503 for scheduled maintenance that ends after this time. Outreach only.
    Maintenance(TimeDelta),
}

/// The totals of records and pages that are reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// As many records as are on the page, and one page.
    OwnLength,
    /// As many records and pages as were returned so far.
    SoFar,
    /// These values, as JSON; an empty value is left out.
    Told { entries: String, pages: String },
}

impl Claim {
    pub fn told(entries: &str, pages: &str) -> Self {
        Self::Told {
            entries: entries.to_owned(),
            pages: pages.to_owned(),
        }
    }
}

impl Action {
    /// A 500 in Rails' format.
    pub fn server_error() -> Self {
        Self::Answer {
            status: 500,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: r#"{"status":500,"error":"Internal Server Error"}"#.to_owned(),
        }
    }

    /// A 403 for a key whose scope lacks the endpoint.
    pub fn forbidden() -> Self {
        Self::Answer {
            status: 403,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: r#"{"error":"This API key is not authorized to access this.","error_code":"API_INACCESSIBLE"}"#.to_owned(),
        }
    }

    /// A 502 with the HTML page of the content delivery network.
    pub fn bad_gateway() -> Self {
        Self::html(502, "Bad gateway")
    }

    /// A 503 with the HTML page of the content delivery network.
    pub fn unavailable() -> Self {
        Self::html(503, "Service Temporarily Unavailable")
    }

    /// A record that lacks its id.
    pub fn record_without_id() -> Self {
        Self::InsertRecord(
            r#"{"first_name":"Nameless","last_name":"Row","name":"Nameless Row"}"#.to_owned(),
        )
    }

    /// A record whose first name is an object.
    pub fn record_with_wrong_type() -> Self {
        Self::InsertRecord(
            r#"{"id":"6a0af1f3f1ce1100203b8047","first_name":{"value":"Ada"},"last_name":"Row"}"#
                .to_owned(),
        )
    }

    fn html(status: u16, text: &str) -> Self {
        Self::Answer {
            status,
            content_type: "text/html; charset=UTF-8".to_owned(),
            body: format!(
                "<!DOCTYPE html>\n<html><head><title>{status} {text}</title></head>\
                 <body><center><h1>{status} {text}</h1></center><hr><center>cloudflare</center></body></html>\n"
            ),
        }
    }
}

/// A rule: which requests, which fault, how many times.
#[derive(Debug, Clone)]
pub struct Fault {
    pub on: Match,
    pub action: Action,
    pub times: u32,
}

impl Fault {
    /// Applied once.
    pub fn new(on: Match, action: Action) -> Self {
        Self {
            on,
            action,
            times: 1,
        }
    }

    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Applied until [`Faults::clear`].
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

#[derive(Debug)]
struct Rules {
    list: Vec<Rule>,
    dice: Dice,
    struck: usize,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u64,
}

/// The active rules; clones share them.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<Rules>>);

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Rules {
            list: Vec::new(),
            dice: Dice::new(seed),
            struck: 0,
        })))
    }

    /// Adds a rule after the active ones. The first rule that applies to a request is used.
    pub fn push(&self, fault: Fault) {
        self.rules().list.push(Rule { fault, seen: 0 });
    }

    pub fn clear(&self) {
        self.rules().list.clear();
    }

    /// The number of requests that a fault was applied to.
    pub fn struck(&self) -> usize {
        self.rules().struck
    }

    /// Whether every rule has been applied as often as it should.
    pub fn spent(&self) -> bool {
        self.rules().list.iter().all(|rule| rule.fault.times == 0)
    }

    pub(crate) fn draw(&self, request: &SimRequest, page: Option<u64>) -> Option<Action> {
        let mut guard = self.rules();
        let Rules { list, dice, struck } = &mut *guard;
        let mut drawn = None;
        for rule in list
            .iter_mut()
            .filter(|rule| rule.fault.on.fits(request, page))
        {
            rule.seen += 1;
            let on = &rule.fault.on;
            let due = rule.fault.times > 0
                && drawn.is_none()
                && on.nth.is_none_or(|nth| nth == rule.seen)
                && on.chance.is_none_or(|share| dice.share() < share);
            if due {
                if rule.fault.times != u32::MAX {
                    rule.fault.times -= 1;
                }
                *struck += 1;
                drawn = Some(rule.fault.action.clone());
            }
        }
        drawn
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts requests that match a [`Match`], for callers that act on it themselves.
#[derive(Debug)]
pub(crate) struct Watch {
    on: Match,
    seen: u64,
}

impl Watch {
    pub(crate) fn new(on: Match) -> Self {
        Self { on, seen: 0 }
    }

    pub(crate) fn hit(&mut self, request: &SimRequest, page: Option<u64>) -> bool {
        if !self.on.fits(request, page) {
            return false;
        }
        self.seen += 1;
        self.on.nth.is_none_or(|nth| nth == self.seen)
    }
}
