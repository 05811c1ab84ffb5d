//! A process's transport to the simulated provider: a function call in which time passes, requests
//! and answers get lost, people edit records, and the driver may park the request.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use http::HeaderName;
use syncline_model::{Object, Time};
use syncline_providers::{
    ErrorKind, Outgoing, ProviderError, Response, Transport, http::HeaderMap,
};
use syncline_sim::{Action, Fault, Match, SimReply, SimRequest};

use crate::{
    edits, tokens,
    tokens::Vault,
    wire::{
        Asked, FalseAnswer, Loss, Passage, Point, REQUEST_TIMEOUT, Served, StepRequest, TokenFault,
        Wire,
    },
    world::World,
};

/// How long before its request a permit may have been granted, by any clock.
pub(crate) const PERMIT_MAX_AGE: TimeDelta = TimeDelta::minutes(2);
/// The most records that may be hidden.
const MOST_HIDDEN: usize = 60;

pub(crate) struct ToProvider {
    pub(crate) wire: Arc<Wire>,
    /// The process that sends.
    pub(crate) process: usize,
    pub(crate) vault: Arc<Vault>,
}

/// A request in flight.
struct Sent {
    asked: Asked,
    step_request: Option<StepRequest>,
    key: String,
    request: SimRequest,
    at: Time,
    /// When the scan's request before it was sent.
    before: Option<Time>,
    passage: Passage,
}

#[async_trait]
impl Transport for ToProvider {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        let sent = self.leave(request);
        let _refreshing = match sent.asked {
            Asked::Token => Some(
                self.wire
                    .begin_refresh(&tokens::refresh_token(&sent.request)),
            ),
            _ => None,
        };
        if !self.vault.has(&self.wire.world, &sent.key).await {
            self.wire.note_token_fault(TokenFault::UsedBeforeStored);
        }
        let Passage {
            park_before,
            park_after,
            loss,
            ..
        } = sent.passage;
        if park_before {
            self.wire.park(Point::BeforeProvider).await;
        }
        if loss == Some(Loss::Unsent) {
            self.wire.note_unsent();
            let refused = no_answer(ErrorKind::Connection, "the connection was refused");
            return Err(refused.with_records(0));
        }
        self.pass(sent.passage.there);
        if loss == Some(Loss::Request) || self.is_late(&sent) {
            return Err(self.give_up(&sent));
        }
        let reply = self.carry_out(&sent);
        if park_after {
            self.wire.park(Point::AfterProvider).await;
        }
        self.come_back(&sent, reply)
    }
}

impl ToProvider {
    fn leave(&self, request: Outgoing) -> Sent {
        let provider = self.wire.world.provider;
        let key = provider.secret_in(&request.headers);
        let asked = provider.asked(request.url.path());
        // A refresh is no request for the page.
        let step_request = self.wire.step_request().filter(|_| asked != Asked::Token);
        let before = self.wire.note_request(step_request.as_ref());
        Sent {
            asked,
            step_request,
            before,
            key,
            at: self.wire.world.now(),
            passage: self.wire.draw(asked),
            request: SimRequest {
                method: request.method,
                path: request.url.path().to_owned(),
                query: request.url.query().map(str::to_owned),
                headers: request.headers,
                body: request.body.unwrap_or_default(),
            },
        }
    }

    /// The provider's part, with edits just before or just after.
    fn carry_out(&self, sent: &Sent) -> SimReply {
        let world = &self.wire.world;
        let team = world.team_of(&sent.key);
        let mut dice = self.wire.split_dice();
        let edits = sent.passage.edits.then_some(team).flatten();
        let before = edits.is_some() && dice.chance(3_000);
        if let Some(team) = edits.filter(|_| before) {
            edits::batch(world, &mut dice, team);
        }
        let page = sent
            .step_request
            .as_ref()
            .map(|step_request| step_request.page);
        let struck = self.wire.strike(sent.asked, page);
        let faults = world.sim.faults();
        faults.clear();
        if let Some(armed) = &struck {
            faults.push(Fault::new(Match::any(), armed.action.clone()));
        }
        let at = world.now();
        let reply = world.sim.respond(at, &sent.request);
        faults.clear();
        let exchange = world.sim.ledger().requests().pop();
        // Steps are no records of an object.
        let read = exchange.as_ref().filter(|it| it.reads_records());
        let records = read.map_or(0, |it| it.records);
        let refused = matches!(
            struck.as_ref().map(|armed| &armed.action),
            Some(Action::Answer { .. } | Action::RateLimited { .. } | Action::KeyRevoked)
        );
        if let (Asked::Token, false, Some(team)) =
            (sent.asked, refused, exchange.and_then(|it| it.team))
        {
            match tokens::new_access_token(&reply) {
                Some(token) => world.note_refreshed(team, &token),
                // The pair is in no readable answer, if there is one.
                None if struck.is_some() => world.note_refreshed(team, &format!("lost at {at}")),
                None => {}
            }
        }
        world.sim.ledger().reset();
        // A record that the provider invents can't be reserved for.
        let made_up = struck
            .as_ref()
            .is_some_and(|armed| matches!(armed.action, Action::InsertRecord(_)));
        let records = records.saturating_sub(usize::from(made_up));
        // Nor can more records than a page has.
        let too_many = struck
            .as_ref()
            .is_some_and(|armed| matches!(armed.action, Action::PageOf(_)));
        let records = if too_many {
            records.min(world.provider.page_size)
        } else {
            records
        };
        let lie = struck.as_ref().and_then(|armed| armed.lie);
        let all_are_there = matches!(lie, None | Some(FalseAnswer::Numbers | FalseAnswer::Order));
        let is_list = reply.status == 200 && all_are_there;
        let more = is_list && is_followed(world, sent, team, records);
        self.wire.write_served(Served {
            at,
            left_at: sent.at,
            left_before: sent.before,
            ahead: world
                .leaps
                .furthest_of(self.process, sent.at - PERMIT_MAX_AGE),
            more,
            asked: sent.asked,
            step_request: sent.step_request.clone(),
            account: world.account_of(&sent.key),
            status: reply.status,
            records: i64::try_from(records).unwrap_or(i64::MAX),
            is_struck: struck.is_some(),
            lie: lie.filter(|_| reply.status == 200),
        });
        if struck.is_some() {
            self.wire.excuse(sent.step_request.clone());
        }
        if let Some(team) = edits.filter(|_| !before) {
            edits::batch(world, &mut dice, team);
        }
        reply
    }

    fn come_back(&self, sent: &Sent, reply: SimReply) -> Result<Response, ProviderError> {
        self.pass(sent.passage.back);
        match sent.passage.loss {
            Some(Loss::Answer) => {
                self.wire.excuse(sent.step_request.clone());
                Err(self.give_up(sent))
            }
            Some(Loss::Broken) => {
                self.wire.excuse(sent.step_request.clone());
                Err(no_answer(ErrorKind::Connection, "the connection broke"))
            }
            // After a freeze the process finds either the answer or a timeout.
            _ if self.is_late(sent) && !sent.passage.late_answer_counts => {
                self.wire.excuse(sent.step_request.clone());
                Err(self.give_up(sent))
            }
            _ => Ok(response(reply)),
        }
    }

    fn is_late(&self, sent: &Sent) -> bool {
        self.wire.world.now() - sent.at > REQUEST_TIMEOUT
    }

    /// No answer came within the timeout of a request.
    fn give_up(&self, sent: &Sent) -> ProviderError {
        self.pass((sent.at + REQUEST_TIMEOUT - self.wire.world.now()).max(TimeDelta::zero()));
        no_answer(ErrorKind::Timeout, "no answer came")
    }

    fn pass(&self, time: TimeDelta) {
        self.wire.world.clock.advance(time);
    }
}

/// Whether a page of a full read was full and surely followed by more records.
fn is_followed(world: &World, sent: &Sent, team: Option<usize>, records: usize) -> bool {
    let (Asked::List(object), Some(team)) = (sent.asked, team) else {
        return false;
    };
    let is_paged = matches!(object, Object::Contact | Object::Account | Object::User);
    let step_request = sent.step_request.as_ref();
    let is_partial = step_request.is_some_and(|step_request| step_request.is_incremental);
    let page = step_request.map_or(0, |step_request| step_request.page);
    let page = usize::try_from(page).unwrap_or_default();
    let full = world.provider.page_size;
    if !is_paged || is_partial || records < full || world.lag > TimeDelta::zero() {
        return false;
    }
    let live = world.read(team, |team| team.live_ids(object.as_str()).len());
    live > page * full + MOST_HIDDEN
}

pub(crate) fn no_answer(kind: ErrorKind, message: &str) -> ProviderError {
    ProviderError::new(kind, None, message)
}

pub(crate) fn response(reply: SimReply) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in &reply.headers {
        let name = name.parse::<HeaderName>();
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            headers.append(name, value);
        }
    }
    Response {
        status: reply.status,
        headers,
        body: reply.body,
    }
}
