//! One process: an engine with its own clock, ids and database connection, and the scans that it
//! has leased. It can crash and start again.

use std::{pin::Pin, sync::Arc};

use chrono::TimeDelta;
use syncline_engine::{AskAhead, Engine, EngineConfig, LeasedScan, Sleep, Step};
use syncline_model::{Clock, Ids, OAuthClient, Time};
use syncline_providers::{OAuthConfig, ProviderConfig, Providers};
use syncline_store::{EncryptionKeys, Scan, Store, StoreError};
use tokio::sync::oneshot;

use crate::{
    clock::{LARGEST_OFFSET, OffsetClock},
    dice::Dice,
    provider::SimulatedProvider,
    scenario::Scenario,
    tokens::Vault,
    transport::ToProvider,
    wire::{Point, StepRequest, Wire},
};

/// 32 bytes in base64. What it seals is deleted after the run.
pub(crate) const ENCRYPTION_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(crate) struct Process {
    pub(crate) index: usize,
    pub(crate) clock: Arc<OffsetClock>,
    /// It has not ticked since a clock jumped.
    pub(crate) has_to_tick: bool,
    /// It does nothing until then, like a process that gets no CPU time.
    pub(crate) frozen_until: Option<Time>,
    /// `None` after a crash.
    pub(crate) live: Option<Live>,
    incarnation: u32,
}

pub(crate) struct Live {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) providers: Providers,
    pub(crate) scans: Vec<Held>,
    /// Nothing was due when it last polled, and nothing has happened since.
    pub(crate) idle: Idle,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idle {
    pub(crate) ticked: bool,
    pub(crate) claimed: bool,
}

/// A leased scan.
pub(crate) struct Held {
    pub(crate) scan: Scan,
    pub(crate) stage: Stage,
    /// When its lease was extended last.
    pub(crate) kept_at: Time,
    /// It was frozen for longer than its lease lasts, and steps before it learns that.
    pub(crate) unaware: bool,
}

pub(crate) enum Stage {
    Ready(Box<LeasedScan>),
    /// The engine said to step again after a while.
    Resting(Box<LeasedScan>, Time),
    Parked {
        step: StepFuture,
        resume: oneshot::Sender<()>,
        point: Point,
        step_request: StepRequest,
        in_hand: Option<StepRequest>,
    },
    /// The driver has it.
    Taken,
}

pub(crate) type StepFuture =
    Pin<Box<dyn Future<Output = (Box<LeasedScan>, Result<Step, StoreError>)>>>;

/// What all processes share.
pub(crate) struct Surroundings {
    pub(crate) database_url: String,
    pub(crate) wire: Arc<Wire>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) lookups_per_run: u32,
}

impl Surroundings {
    pub(crate) fn new(
        database_url: String,
        wire: Arc<Wire>,
        vault: Arc<Vault>,
        scenario: &Scenario,
    ) -> Self {
        Self {
            database_url,
            wire,
            vault,
            lookups_per_run: scenario.lookups_per_run,
        }
    }
}

impl Process {
    pub(crate) fn new(index: usize, around: &Surroundings) -> Self {
        let world = &around.wire.world;
        let clock = OffsetClock::new(index, world.clock.clone(), world.leaps.clone());
        Self {
            index,
            clock: Arc::new(clock),
            has_to_tick: false,
            frozen_until: None,
            live: None,
            incarnation: 0,
        }
    }

    /// Opens the database and starts an engine on it. Its clock is slightly fast or slow, in
    /// addition to its jumps.
    pub(crate) async fn start(
        &mut self,
        around: &Surroundings,
        dice: &mut Dice,
    ) -> anyhow::Result<()> {
        self.incarnation += 1;
        self.clock
            .set_offset(dice.span(-LARGEST_OFFSET, LARGEST_OFFSET));
        let clock: Arc<dyn Clock> = self.clock.clone();
        let keys: EncryptionKeys = ENCRYPTION_KEY.parse()?;
        let ids = Arc::new(Ids::seeded(dice.number()));
        let simulated = around.wire.world.provider;
        let providers = Providers::built_in(|built_in| ProviderConfig {
            base_url: format!("https://api.{}.test", built_in.name),
            transport: Some(Arc::new(ToProvider {
                wire: around.wire.clone(),
                process: self.index,
                vault: around.vault.clone(),
            })),
            oauth: OAuthConfig {
                managed_client: client_of(simulated),
                ..OAuthConfig::default()
            },
        })?;
        let store = Store::open(&around.database_url, clock.clone(), ids, keys).await?;
        let store = store.with_containment(providers.containment());
        let config = EngineConfig {
            worker_name: format!("process-{}-{}", self.index, self.incarnation),
            lookups_per_run: around.lookups_per_run,
            limits: [(simulated.name, simulated.limits())].into(),
            sleep: sleep_on(&around.wire),
            ask_ahead: AskAhead::Before,
            ..EngineConfig::default()
        };
        let engine = Engine::new(store.clone(), providers.clone(), clock, config);
        self.live = Some(Live {
            store,
            engine,
            providers,
            scans: Vec::new(),
            idle: Idle::default(),
        });
        Ok(())
    }

    /// Crashes: everything in progress is dropped. Requests in flight may have been answered.
    pub(crate) async fn die(&mut self, wire: &Wire) {
        let Some(live) = self.live.take() else { return };
        for held in live.scans {
            held.stage.excuse_all(wire);
        }
        drop(live.engine);
        live.store.close().await;
        self.frozen_until = None;
    }

    /// Continues after a freeze. Some of its scans step before they check their leases.
    pub(crate) fn thaw(&mut self, dice: &mut Dice) {
        self.frozen_until = None;
        let scans = self.live.iter_mut().flat_map(|live| &mut live.scans);
        for held in scans {
            held.unaware = dice.chance(6_000);
        }
    }

    pub(crate) fn is_frozen(&self, now: Time) -> bool {
        self.frozen_until.is_some_and(|until| until > now)
    }

    /// The engine, if the process is running and not frozen.
    pub(crate) fn acting(&self, now: Time) -> Option<&Live> {
        self.live.as_ref().filter(|_| !self.is_frozen(now))
    }

    /// Extends the leases that are due for it, as the heartbeat of each scan does, and drops the
    /// scans that other workers have leased meanwhile. Returns whether a lease was due.
    pub(crate) async fn keep_leases(&mut self, now: Time, wire: &Wire) -> anyhow::Result<bool> {
        if self.is_frozen(now) {
            return Ok(false);
        }
        let Some(live) = &mut self.live else {
            return Ok(false);
        };
        let mut any = false;
        let lease = TimeDelta::from_std(EngineConfig::default().lease_duration)?;
        let mut kept = Vec::new();
        for mut held in std::mem::take(&mut live.scans) {
            if !held.unaware && now - held.kept_at >= lease / 3 {
                held.kept_at = now;
                any = true;
                if !live.store.extend_lease(&held.scan, lease).await? {
                    held.stage.excuse_all(wire);
                    continue;
                }
            }
            kept.push(held);
        }
        live.scans = kept;
        Ok(any)
    }
}

impl Stage {
    /// The pages that were served to it and are not written.
    pub(crate) fn waiting(&self) -> Vec<StepRequest> {
        match self {
            Self::Ready(leased) | Self::Resting(leased, _) => {
                in_hand_of(leased).into_iter().collect()
            }
            Self::Parked {
                point,
                step_request,
                in_hand,
                ..
            } => {
                let served = matches!(point, Point::AfterProvider).then_some(step_request);
                served.into_iter().chain(in_hand).cloned().collect()
            }
            Self::Taken => Vec::new(),
        }
    }

    /// Its process is gone, or has lost its lease: what it asked for may be asked again.
    fn excuse_all(self, wire: &Wire) {
        match self {
            Self::Ready(leased) | Self::Resting(leased, _) => wire.excuse(in_hand_of(&leased)),
            Self::Parked {
                step_request,
                in_hand,
                ..
            } => {
                wire.excuse(Some(step_request));
                wire.excuse(in_hand);
            }
            Self::Taken => {}
        }
    }
}

impl Held {
    pub(crate) fn new(leased: LeasedScan, now: Time) -> Self {
        Self {
            scan: leased.scan.clone(),
            stage: Stage::Ready(Box::new(leased)),
            kept_at: now,
            unaware: false,
        }
    }

    pub(crate) fn is_ready(&self, now: Time) -> bool {
        match &self.stage {
            Stage::Ready(_) => true,
            Stage::Resting(_, until) => *until <= now,
            Stage::Parked { .. } | Stage::Taken => false,
        }
    }

    pub(crate) fn rests_until(&self) -> Option<Time> {
        match self.stage {
            Stage::Resting(_, until)
            | Stage::Parked {
                point: Point::Asleep(until),
                ..
            } => Some(until),
            _ => None,
        }
    }

    /// Whether its step can go on now.
    pub(crate) fn can_resume(&self, now: Time) -> bool {
        match self.stage {
            Stage::Parked {
                point: Point::Asleep(until),
                ..
            } => until <= now,
            Stage::Parked { .. } => true,
            _ => false,
        }
    }

    /// Takes the scan for its next step.
    pub(crate) fn take(&mut self) -> Option<Box<LeasedScan>> {
        match std::mem::replace(&mut self.stage, Stage::Taken) {
            Stage::Ready(leased) | Stage::Resting(leased, _) => Some(leased),
            other => {
                self.stage = other;
                None
            }
        }
    }
}

/// The simulated provider's OAuth application.
fn client_of(provider: &SimulatedProvider) -> Option<OAuthClient> {
    let (id, secret) = provider.client?;
    Some(OAuthClient {
        id: id.to_owned(),
        secret: secret.to_owned().into(),
    })
}

fn sleep_on(wire: &Arc<Wire>) -> Sleep {
    let wire = wire.clone();
    Sleep::by(move |time| {
        let wire = wire.clone();
        let time = TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        Box::pin(async move { wire.sleep(time).await })
    })
}

/// What the scan's next step requests.
pub(crate) fn step_request_of(leased: &LeasedScan) -> StepRequest {
    request_of(leased, leased.next_request())
}

/// The request whose answer the scan has in memory.
pub(crate) fn in_hand_of(leased: &LeasedScan) -> Option<StepRequest> {
    leased.page_in_hand().map(|page| request_of(leased, page))
}

fn request_of(leased: &LeasedScan, (pass, page): (u32, u32)) -> StepRequest {
    StepRequest {
        scan_id: leased.scan.id.clone(),
        object: leased.scan.object,
        pass,
        page,
        is_incremental: leased.scan.since.is_some(),
    }
}
