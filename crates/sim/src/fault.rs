//! Faults on order: rules that say which request goes wrong and how.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Window;
use crate::request::{SimRequest, WireFault};
use crate::world::dice::Dice;

/// Which requests a rule is about. Conditions add up.
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

    /// Only where that page is asked for; a request without a page asks for 1.
    pub fn page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Only the `nth` request, from 1, that fits the conditions above, counted from when the rule was made.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Only this share of the requests, by the seeded dice of [`Faults`].
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

/// What goes wrong.
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
    /// The request is carried out; its answer meets trouble on the wire.
    Wire(WireFault),
    /// The request is carried out; in its answer the second text stands wherever the first one would.
    Respell(String, String),
    /// 200, but the body is not JSON.
    Garbage,
    /// A page without records that still counts them all.
    EmptyPage,
    /// A list that says there is nothing: no records, and none counted.
    EmptyList,
    /// The records of the page before, under the number of the page asked for.
    RepeatPreviousPage,
    /// The records of this page, under the number of the page asked for.
    RepeatPage(u64),
    /// There is always at least one more full page than the one asked for, by the numbers around it. Past the
    /// real end the records of the first pages come again.
    EndlessPages,
    /// Other numbers around the page than those that are so.
    Claim(Claim),
    /// The order asked for, the wrong way round.
    TurnedRound,
    /// No order that one could name, whatever was asked for; the same one each time.
    Unordered,
    /// A page of so many records, whatever was asked for.
    PageOf(u64),
    /// The records with these ids are missing from the page; they are counted all the same.
    HideRecords(Vec<String>),
    /// One more record in the middle of the page: this JSON.
    InsertRecord(String),
    /// A 429 for that window, whatever was used; `retry_after` in seconds.
    RateLimited {
        window: Window,
        retry_after: Option<u64>,
    },
    /// The other 429: a write to the same sequence is still being worked on.
    AlreadyProcessing,
    /// The key is answered as unknown.
    KeyRevoked,
}

/// What is said of how many records and pages there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// As many records as on the page, and one page.
    OwnLength,
    /// As many records and pages as came so far.
    SoFar,
    /// These, as JSON; what is empty is left out.
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
    /// A 500 as Rails words it.
    pub fn server_error() -> Self {
        Self::Answer {
            status: 500,
            content_type: "application/json; charset=utf-8".to_owned(),
            body: r#"{"status":500,"error":"Internal Server Error"}"#.to_owned(),
        }
    }

    /// A 502 with the page that the content delivery network puts in front.
    pub fn bad_gateway() -> Self {
        Self::html(502, "Bad gateway")
    }

    /// A 503 with the page that the content delivery network puts in front.
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

/// A rule: on these requests, this happens, that many times.
#[derive(Debug, Clone)]
pub struct Fault {
    pub on: Match,
    pub action: Action,
    pub times: u32,
}

impl Fault {
    /// Happens once.
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

    /// Happens until [`Faults::clear`].
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

/// The rules in force; clones share them.
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

    /// Puts a rule in force, behind those that are. The first rule that applies to a request decides.
    pub fn push(&self, fault: Fault) {
        self.rules().list.push(Rule { fault, seen: 0 });
    }

    pub fn clear(&self) {
        self.rules().list.clear();
    }

    /// How many requests have gone wrong on order so far.
    pub fn struck(&self) -> usize {
        self.rules().struck
    }

    /// Whether every rule has happened as often as it should.
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

/// Counts requests against a [`Match`], for those who act on it by themselves.
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
