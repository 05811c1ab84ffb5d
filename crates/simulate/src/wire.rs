//! Between the processes and the provider: draws what happens to each request, parks requests, and
//! records what was served.
//!
//! One step is polled at a time, so a request belongs to the step that was announced last.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use chrono::TimeDelta;
use syncline_model::{Object, Time};
use syncline_sim::Action;
use tokio::sync::{Notify, oneshot};

use crate::{dice::Dice, scenario::Rates, world::World};

/// The timeout of a request; see `providers::http`.
pub(crate) const REQUEST_TIMEOUT: TimeDelta = TimeDelta::seconds(30);

/// How long nobody else refreshes the same tokens, by any of the processes' clocks.
const REFRESH_LEASE_LASTS: TimeDelta = TimeDelta::seconds(45);

/// The step that a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StepRequest {
    pub(crate) scan_id: String,
    pub(crate) object: Object,
    pub(crate) pass: u32,
    pub(crate) page: u32,
    /// Whether the scan reads only what changed.
    pub(crate) is_incremental: bool,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    List(Object),
    Get(Object),
    /// New OAuth tokens.
    Token,
    Other,
}

/// How a list's answer differs from the real records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FalseAnswer {
    /// It is empty.
    Nothing,
    /// It lacks records, repeats some, or has some that don't exist.
    Otherwise,
    /// It has the real records in another order than requested.
    Order,
    /// It has the real records and wrong numbers of records or pages.
    Numbers,
}

/// A fault that is armed.
#[derive(Debug, Clone)]
pub(crate) struct Armed {
    pub(crate) on: Asked,
    pub(crate) page: Option<u32>,
    pub(crate) times: u32,
    pub(crate) action: Action,
    pub(crate) lie: Option<FalseAnswer>,
}

/// A request that the provider answered.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) at: Time,
    /// When it was sent, and when the scan's request before it was.
    pub(crate) left_at: Time,
    pub(crate) left_before: Option<Time>,
    /// The furthest that the sender's clock was ahead since its permit may have been granted.
    pub(crate) ahead: TimeDelta,
    /// It was a full page, followed by more records.
    pub(crate) more: bool,
    pub(crate) asked: Asked,
    pub(crate) step_request: Option<StepRequest>,
    /// The account that the records count against; see [`World::account_of`].
    pub(crate) account: String,
    pub(crate) status: u16,
    pub(crate) records: i64,
    /// An armed fault was applied to it.
    pub(crate) is_struck: bool,
    pub(crate) lie: Option<FalseAnswer>,
}

/// Where a request is parked until the driver resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    BeforeProvider,
    AfterProvider,
    /// There is no request: its step waits until then.
    Asleep(Time),
}

/// A request or a step that waits until the driver resumes it.
pub(crate) struct ParkedRequest {
    pub(crate) point: Point,
    pub(crate) resume: oneshot::Sender<()>,
}

/// A refresh of OAuth tokens on its way; it ends when this is dropped.
pub(crate) struct Refreshing<'w> {
    wire: &'w Wire,
    number: u64,
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        let number = self.number;
        let mut state = self.wire.state();
        state.refreshing.retain(|it| it.number != number);
    }
}

/// The same, for the wire.
struct Underway {
    number: u64,
    refresh_token: String,
    left_at: Time,
}

pub(crate) struct Wire {
    pub(crate) world: Arc<World>,
    state: Mutex<State>,
    parked: Notify,
}

struct State {
    dice: Dice,
    rates: Rates,
    step_request: Option<StepRequest>,
    /// Whether the current step may be parked at a request.
    may_park: bool,
    waiting: Option<ParkedRequest>,
    armed: Vec<Armed>,
    /// Served since the last check.
    served: Vec<Served>,
    excused: Vec<StepRequest>,
    requests: Vec<StepRequest>,
    /// When each scan's newest request was sent.
    left: BTreeMap<String, Time>,
    /// The newest request provably was not sent.
    unsent: bool,
    refreshing: Vec<Underway>,
    refreshes: u64,
    /// What was wrong about the use of OAuth tokens since the last check.
    token_faults: Vec<TokenFault>,
}

/// A wrong use of OAuth tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenFault {
    UsedBeforeStored,
    RefreshedTwice,
}

/// What happens to one request in transit.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a draw of its own")]
pub(crate) struct Passage {
    pub(crate) park_before: bool,
    pub(crate) park_after: bool,
    /// From sending to the provider's answer, and from there back.
    pub(crate) there: TimeDelta,
    pub(crate) back: TimeDelta,
    pub(crate) loss: Option<Loss>,
    /// People edit records at the provider meanwhile.
    pub(crate) edits: bool,
    /// An answer that came while its process was frozen is used, not timed out.
    pub(crate) late_answer_counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The request doesn't arrive.
    Request,
    /// The answer doesn't arrive.
    Answer,
    /// The connection breaks while the answer comes.
    Broken,
    /// The connection is refused, so the request was not sent.
    Unsent,
}

impl Wire {
    pub(crate) fn new(world: Arc<World>, dice: Dice, rates: Rates) -> Self {
        Self {
            world,
            parked: Notify::new(),
            state: Mutex::new(State {
                dice,
                rates,
                step_request: None,
                may_park: false,
                waiting: None,
                armed: Vec::new(),
                served: Vec::new(),
                excused: Vec::new(),
                requests: Vec::new(),
                left: BTreeMap::new(),
                unsent: false,
                refreshing: Vec::new(),
                refreshes: 0,
                token_faults: Vec::new(),
            }),
        }
    }

    /// Sets the step that the next requests belong to, and whether one of them may be parked.
    pub(crate) fn announce(&self, step_request: Option<StepRequest>, may_park: bool) {
        let mut state = self.state();
        state.step_request = step_request;
        state.may_park = may_park;
        state.unsent = false;
    }

    pub(crate) fn step_request(&self) -> Option<StepRequest> {
        self.state().step_request.clone()
    }

    pub(crate) fn set_rates(&self, rates: Rates) {
        let mut state = self.state();
        state.rates = rates;
        state.armed.clear();
    }

    pub(crate) fn arm(&self, armed: Armed) {
        self.state().armed.push(armed);
    }

    /// The fault that applies to this request, if there is one.
    pub(crate) fn strike(&self, asked: Asked, page: Option<u32>) -> Option<Armed> {
        let mut state = self.state();
        let struck = state.armed.iter_mut().find(|armed| {
            armed.times > 0 && armed.on == asked && (armed.page.is_none() || armed.page == page)
        })?;
        struck.times -= 1;
        let struck = struck.clone();
        state.armed.retain(|armed| armed.times > 0);
        Some(struck)
    }

    /// Draws what happens to a request. A request about the key is answered at once, because its
    /// sender uses the machine's clock.
    pub(crate) fn draw(&self, asked: Asked) -> Passage {
        let mut state = self.state();
        let State {
            dice,
            rates,
            may_park,
            ..
        } = &mut *state;
        let about_records = asked != Asked::Other;
        let slow = dice.chance(rates.slow);
        let latency = if slow {
            dice.span(TimeDelta::seconds(1), TimeDelta::seconds(25))
        } else {
            dice.span(TimeDelta::milliseconds(20), TimeDelta::milliseconds(300))
        };
        // The provider answers at the beginning of that time, at its end or in between.
        let there = match dice.below(3) {
            0 => TimeDelta::zero(),
            1 => latency,
            _ => dice.span(TimeDelta::zero(), latency),
        };
        let loss = dice
            .chance(rates.loss)
            .then(|| dice.one(&[Loss::Request, Loss::Answer, Loss::Broken, Loss::Unsent]));
        let may_park = *may_park && about_records;
        Passage {
            park_before: dice.chance(rates.park / 2) && may_park,
            park_after: dice.chance(rates.park / 2) && may_park,
            there,
            back: latency - there,
            loss: loss.filter(|_| about_records),
            edits: dice.chance(rates.edits_during) && about_records,
            late_answer_counts: dice.chance(5_000),
        }
    }

    /// An independent random stream for what happens in transit.
    pub(crate) fn split_dice(&self) -> Dice {
        self.state().dice.split()
    }

    /// Parks the request until the driver resumes or drops it.
    pub(crate) async fn park(&self, point: Point) {
        let (resume, resumed) = oneshot::channel();
        self.state().waiting = Some(ParkedRequest { point, resume });
        self.parked.notify_one();
        // The driver that drops the sender drops this future as well.
        let _ = resumed.await;
    }

    /// Lets time pass for a step. Other moves are made meanwhile, if the step may be parked.
    pub(crate) async fn sleep(&self, time: TimeDelta) {
        if self.state().may_park {
            let until = self.world.now() + time;
            self.park(Point::Asleep(until)).await;
        } else {
            self.world.clock.advance(time);
        }
    }

    /// A refresh begins. Two at a time would each end the other's tokens, unless the lease of the first
    /// one has expired.
    pub(crate) fn begin_refresh(&self, refresh_token: &str) -> Refreshing<'_> {
        let now = self.world.now();
        let mut state = self.state();
        let is_same = |it: &Underway| {
            it.refresh_token == refresh_token && now - it.left_at < REFRESH_LEASE_LASTS
        };
        if self.world.leaps.are_none() && state.refreshing.iter().any(is_same) {
            state.token_faults.push(TokenFault::RefreshedTwice);
        }
        state.refreshes += 1;
        let number = state.refreshes;
        state.refreshing.push(Underway {
            number,
            refresh_token: refresh_token.to_owned(),
            left_at: now,
        });
        drop(state);
        Refreshing { wire: self, number }
    }

    pub(crate) fn note_token_fault(&self, fault: TokenFault) {
        self.state().token_faults.push(fault);
    }

    pub(crate) fn take_token_faults(&self) -> Vec<TokenFault> {
        std::mem::take(&mut self.state().token_faults)
    }

    /// Returns when a request is parked.
    pub(crate) async fn parked(&self) -> Option<ParkedRequest> {
        self.parked.notified().await;
        self.state().waiting.take()
    }

    pub(crate) fn write_served(&self, served: Served) {
        self.state().served.push(served);
    }

    /// Notes that a page's answer could not be used, so it may be requested again.
    pub(crate) fn excuse(&self, step_request: Option<StepRequest>) {
        self.state().excused.extend(step_request);
    }

    /// Notes that a request is about to be sent; returns when the scan's request before it was.
    pub(crate) fn note_request(&self, step_request: Option<&StepRequest>) -> Option<Time> {
        let now = self.world.now();
        let mut state = self.state();
        state.unsent = false;
        let step_request = step_request?;
        state.requests.push(step_request.clone());
        state.left.insert(step_request.scan_id.clone(), now)
    }

    pub(crate) fn note_unsent(&self) {
        self.state().unsent = true;
    }

    /// Whether the newest request of the step was not sent.
    pub(crate) fn was_unsent(&self) -> bool {
        self.state().unsent
    }

    pub(crate) fn take_served(&self) -> Vec<Served> {
        std::mem::take(&mut self.state().served)
    }

    pub(crate) fn take_excused(&self) -> Vec<StepRequest> {
        std::mem::take(&mut self.state().excused)
    }

    pub(crate) fn take_requests(&self) -> Vec<StepRequest> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it is held")
    }
}
