//! A process's transport to the simulated Apollo: requests and answers get lost, time passes, and the
//! driver parks requests before and after they are carried out.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use syncline_model::{Clock, ManualClock, Time};
use syncline_providers::{ErrorKind, Outgoing, ProviderError, Response, Transport};
use syncline_sim::{Action, Fault, Match, SimReply, SimRequest, Simulator};
use tokio::sync::{Notify, oneshot};

use crate::{
    dice::Dice,
    transport::{no_answer, response},
};

/// The timeout of a request.
const TIMEOUT: TimeDelta = TimeDelta::seconds(30);

/// How often something goes wrong, in ten thousandths of the requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    pub(super) park: u32,
    pub(super) loss: u32,
    pub(super) refusal: u32,
}

/// Apollo, and the way to it. Shared by all processes.
pub(super) struct Apollo {
    pub(super) sim: Simulator,
    pub(super) clock: Arc<ManualClock>,
    pub(super) parked: Parked,
    /// Requests that may have been carried out, and whose answers did not come.
    pub(super) lost: AtomicU32,
    rates: Mutex<Rates>,
    dice: Mutex<Dice>,
}

/// The request that waits for the driver.
#[derive(Default)]
pub(super) struct Parked {
    resume: Mutex<Option<oneshot::Sender<()>>>,
    arrived: Notify,
}

impl Parked {
    /// Resolves when a request is parked.
    pub(super) async fn arrived(&self) -> Option<oneshot::Sender<()>> {
        self.arrived.notified().await;
        lock(&self.resume).take()
    }

    async fn park(&self) {
        let (resume, resumed) = oneshot::channel();
        *lock(&self.resume) = Some(resume);
        self.arrived.notify_one();
        // Dropped with its process, if that crashes.
        let _ = resumed.await;
    }
}

/// What happens to a request on its way.
#[derive(Clone, Copy)]
enum Fate {
    Fine,
    /// It is never sent.
    Unsent,
    /// It gets lost before it arrives.
    RequestLost,
    /// It is carried out, and its answer gets lost.
    AnswerLost,
    Broken,
    /// It is carried out, and the answer is a 500.
    AppliedThenError,
    Unavailable,
    RateLimited,
}

impl Apollo {
    pub(super) fn new(sim: Simulator, clock: Arc<ManualClock>, dice: Dice) -> Self {
        Self {
            sim,
            clock,
            parked: Parked::default(),
            lost: AtomicU32::new(0),
            rates: Mutex::new(Rates::default()),
            dice: Mutex::new(dice),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn set_rates(&self, rates: Rates) {
        *lock(&self.rates) = rates;
    }

    pub(super) fn note_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    fn draw(&self) -> (bool, bool, Fate, TimeDelta) {
        let rates = *lock(&self.rates);
        let mut dice = lock(&self.dice);
        let fate = if dice.chance(rates.loss) {
            dice.one(&[
                Fate::Unsent,
                Fate::RequestLost,
                Fate::AnswerLost,
                Fate::Broken,
                Fate::AppliedThenError,
            ])
        } else if dice.chance(rates.refusal) {
            dice.one(&[Fate::Unavailable, Fate::RateLimited])
        } else {
            Fate::Fine
        };
        let way = dice.span(TimeDelta::milliseconds(5), TimeDelta::milliseconds(900));
        (dice.chance(rates.park), dice.chance(rates.park), fate, way)
    }

    fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    fn carry_out(&self, request: &SimRequest, fate: Fate) -> SimReply {
        let action = match fate {
            Fate::AppliedThenError => Some(Action::AppliedThenServerError),
            Fate::Unavailable => Some(Action::unavailable()),
            Fate::RateLimited => Some(Action::RateLimited {
                window: syncline_sim::Window::Minute,
                retry_after: Some(20),
            }),
            _ => None,
        };
        let faults = self.sim.faults();
        faults.clear();
        if let Some(action) = action {
            faults.push(Fault::new(Match::any(), action));
        }
        let reply = self.sim.respond(self.now(), request);
        faults.clear();
        reply
    }
}

pub(super) struct ToApollo(pub(super) Arc<Apollo>);

#[async_trait]
impl Transport for ToApollo {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        let apollo = &self.0;
        let (park_before, park_after, fate, way) = apollo.draw();
        let sent_at = apollo.now();
        let costs = request.url.path().contains("/bulk_");
        let request = SimRequest {
            method: request.method,
            path: request.url.path().to_owned(),
            query: request.url.query().map(str::to_owned),
            headers: request.headers,
            body: request.body.unwrap_or_default(),
        };
        if park_before {
            apollo.parked.park().await;
        }
        let is_late = |apollo: &Apollo| apollo.now() - sent_at > TIMEOUT;
        if matches!(fate, Fate::Unsent) {
            let refused = no_answer(ErrorKind::Connection, "the connection was refused");
            return Err(refused.with_records(0));
        }
        apollo.pass(way);
        let lost = |apollo: &Apollo, kind, message| {
            if costs {
                apollo.note_lost();
            }
            Err(no_answer(kind, message))
        };
        if matches!(fate, Fate::RequestLost) || is_late(apollo) {
            apollo.pass((sent_at + TIMEOUT - apollo.now()).max(TimeDelta::zero()));
            return lost(apollo, ErrorKind::Timeout, "no answer came");
        }
        let reply = apollo.carry_out(&request, fate);
        if park_after {
            apollo.parked.park().await;
        }
        apollo.pass(way);
        match fate {
            Fate::AnswerLost => lost(apollo, ErrorKind::Timeout, "no answer came"),
            Fate::Broken => lost(apollo, ErrorKind::Connection, "the connection broke"),
            _ if is_late(apollo) => lost(apollo, ErrorKind::Timeout, "no answer came"),
            _ => {
                if costs && reply.status == 500 {
                    apollo.note_lost();
                }
                Ok(response(reply))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
