//! What is drawn from the seed at the start: the world, the connections, the limits, and the rates
//! of faults.
//!
//! Small worlds with tight limits are usual, so that page ends, full windows and objects larger
//! than their limit are frequent and a seed is fast. A longer run (`days`) has the default limits
//! and few faults.

use std::time::Duration;

use chrono::TimeDelta;
use syncline_model::{LimitOverrides, Object};
use syncline_sim::Quota;

use crate::{
    FaultLevel, Plan,
    dice::Dice,
    provider::{self, SimulatedProvider},
};

/// Everything that is decided before the first step.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) provider: &'static SimulatedProvider,
    pub(crate) teams: Vec<TeamScenario>,
    pub(crate) connections: Vec<ConnectionScenario>,
    /// The objects that are synced.
    pub(crate) objects: Vec<Object>,
    pub(crate) period: TimeDelta,
    /// How many incremental runs follow a full one; `None`: every run is full.
    pub(crate) incrementals: Option<i64>,
    pub(crate) processes: usize,
    pub(crate) lookups_per_run: u32,
    /// How long edits, faults and crashes continue.
    pub(crate) length: TimeDelta,
    /// How long nobody reads anything then, while the processes run.
    pub(crate) idle: Option<TimeDelta>,
    /// The limit of steps, which ends the run earlier.
    pub(crate) most_steps: u64,
    pub(crate) search_lag: Duration,
    pub(crate) delete_lag: Duration,
    /// Whether some records have fields of another type than the provider documents.
    pub(crate) misshapes_records: bool,
    /// Whether a key of limited scope may read its team.
    pub(crate) scoped_keys_read_profile: bool,
    pub(crate) rates: Rates,
}

#[derive(Debug, Clone)]
pub(crate) struct TeamScenario {
    pub(crate) contacts: usize,
    pub(crate) accounts: usize,
    pub(crate) users: usize,
    pub(crate) sequences: usize,
    pub(crate) mailboxes: usize,
    /// The request limits of its plan; `None`: unlimited.
    pub(crate) quota: Option<Quota>,
}

#[derive(Debug, Clone)]
pub(crate) struct ConnectionScenario {
    pub(crate) team: usize,
    /// Connections of one team with the same number share a key.
    pub(crate) key: usize,
    pub(crate) limits: LimitOverrides,
}

/// How often something happens: weights among the driver's moves, and probabilities in ten
/// thousandths for requests and calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// The weight of a batch of edits between two steps; each possible step has 100.
    pub(crate) edits: u32,
    /// A batch of edits while a page request is in flight.
    pub(crate) edits_during: u32,
    /// A fault of the provider.
    pub(crate) faults: u32,
    /// A request or an answer that is lost.
    pub(crate) loss: u32,
    /// An answer that takes seconds.
    pub(crate) slow: u32,
    /// A step that is parked between its request and its commit.
    pub(crate) park: u32,
    pub(crate) crash: u32,
    /// A crash at a database call of the next move.
    pub(crate) crash_inside: u32,
    pub(crate) freeze: u32,
    /// Actions of users: triggers, pauses, new keys.
    pub(crate) manage: u32,
    /// More than half of an object is deleted at once, or restored.
    pub(crate) mass_edit: u32,
    /// A clock, or all of them, jump.
    pub(crate) leaps: u32,
}

impl Rates {
    fn of(level: FaultLevel) -> Self {
        let none = Self {
            edits: 14,
            edits_during: 500,
            manage: 3,
            mass_edit: 40,
            ..Self::default()
        };
        match level {
            FaultLevel::None => none,
            FaultLevel::Light => Self {
                faults: 3,
                loss: 100,
                slow: 300,
                park: 300,
                crash: 1,
                crash_inside: 60,
                freeze: 1,
                leaps: 1,
                ..none
            },
            FaultLevel::Heavy => Self {
                edits: 20,
                edits_during: 1_500,
                faults: 12,
                loss: 300,
                slow: 1_500,
                park: 1_500,
                crash: 3,
                crash_inside: 400,
                freeze: 4,
                manage: 8,
                mass_edit: 150,
                leaps: 2,
            },
        }
    }

    /// The rates for a month: faults are rare for each step.
    fn calm(self) -> Self {
        Self {
            edits: self.edits / 4,
            edits_during: self.edits_during / 10,
            faults: self.faults.div_ceil(4),
            loss: self.loss / 10,
            slow: self.slow / 10,
            park: self.park / 20,
            crash: self.crash.div_ceil(4),
            crash_inside: self.crash_inside / 20,
            freeze: self.freeze.div_ceil(4),
            manage: 0,
            mass_edit: 0,
            leaps: 0,
        }
    }
}

impl Scenario {
    /// Another stream than `dice` decides about the provider, so that what is new about one changes
    /// no seed of another.
    pub(crate) fn draw(dice: &mut Dice, provider_dice: &mut Dice, plan: &Plan) -> Self {
        let drawn = provider_dice.one(&provider::ALL);
        let provider = plan.provider.and_then(SimulatedProvider::named);
        let provider = provider.unwrap_or(drawn);
        // A week takes too long with small limits.
        let mut scenario = if plan.days.is_some_and(|days| days >= 7) {
            Self::long(plan, provider)
        } else {
            Self::small(dice, plan, provider)
        };
        scenario.objects.retain(|it| provider.objects.contains(it));
        if provider.client.is_some() {
            scenario.incrementals = provider_dice.one(&[None, Some(1), Some(2), Some(3)]);
            scenario.search_lag = Duration::ZERO;
            scenario.delete_lag = Duration::ZERO;
            // Longer than refresh tokens live.
            let idle = provider_dice.span(TimeDelta::days(15), TimeDelta::days(40));
            scenario.idle = provider_dice.chance(3_000).then_some(idle);
        }
        scenario
    }

    fn long(plan: &Plan, provider: &'static SimulatedProvider) -> Self {
        let days = i64::from(plan.days.unwrap_or(30));
        Self {
            provider,
            incrementals: None,
            teams: vec![TeamScenario::usual(plan.contacts.unwrap_or(3_000))],
            connections: vec![ConnectionScenario {
                team: 0,
                key: 0,
                limits: LimitOverrides::default(),
            }],
            objects: Object::ALL.to_vec(),
            // With a period of one hour, the daily limit would defer every other run, and it would
            // take a minute.
            period: TimeDelta::hours(4),
            processes: 2,
            lookups_per_run: 200,
            length: TimeDelta::days(days),
            idle: None,
            most_steps: u64::MAX,
            search_lag: Duration::ZERO,
            delete_lag: Duration::ZERO,
            misshapes_records: false,
            scoped_keys_read_profile: true,
            rates: Rates::of(plan.faults).calm(),
        }
    }

    fn small(dice: &mut Dice, plan: &Plan, provider: &'static SimulatedProvider) -> Self {
        let connections = connections(dice);
        let teams = connections.iter().map(|it| it.team).max().unwrap_or(0) + 1;
        let teams: Vec<_> = (0..teams)
            .map(|_| TeamScenario::draw(dice, plan.contacts, provider.scale))
            .collect();
        let largest = teams.iter().map(|team| team.contacts).max().unwrap_or(0);
        let limits = limits(dice, largest, provider);
        let lagging = dice.chance(1_500);
        let lag = |dice: &mut Dice| {
            if lagging {
                Duration::from_secs(dice.number() % 90)
            } else {
                Duration::ZERO
            }
        };
        let rates = Rates::of(plan.faults);
        let length = match plan.days {
            Some(days) => TimeDelta::days(days.into()),
            None => dice.span(TimeDelta::hours(4), TimeDelta::hours(12)),
        };
        Self {
            provider,
            incrementals: None,
            teams,
            connections: connections
                .into_iter()
                .map(|it| ConnectionScenario { limits, ..it })
                .collect(),
            objects: objects(dice),
            period: TimeDelta::minutes(dice.one(&[15, 30, 60, 60])),
            processes: dice.one(&[1, 2, 2, 2]),
            lookups_per_run: dice.one(&[3, 20, 200, 200]),
            length,
            idle: None,
            most_steps: if plan.days.is_some() { u64::MAX } else { 350 },
            search_lag: lag(dice),
            delete_lag: lag(dice),
            misshapes_records: dice.chance(5_000) && plan.faults != FaultLevel::None,
            scoped_keys_read_profile: dice.chance(7_000),
            rates: Rates {
                // Invariants of true time are checked in full only if no clock jumps.
                leaps: if dice.chance(5_000) { rates.leaps } else { 0 },
                ..rates
            },
        }
    }
}

impl TeamScenario {
    fn usual(contacts: usize) -> Self {
        Self {
            contacts,
            accounts: contacts / 8,
            users: 8,
            sequences: 12,
            mailboxes: 10,
            quota: None,
        }
    }

    fn draw(dice: &mut Dice, contacts: Option<usize>, scale: usize) -> Self {
        let most = dice.one(&[120, 300, 500]);
        let contacts = contacts.unwrap_or_else(|| (90 + dice.below(most)) * scale);
        // Sometimes several pages of objects that can't be looked up by id.
        let some = |dice: &mut Dice, usual: usize| {
            if dice.chance(1_500) {
                usual + 95 + dice.below(120)
            } else {
                usual
            }
        };
        Self {
            users: some(dice, 8),
            sequences: some(dice, 12),
            accounts: some(dice, contacts / 8),
            quota: dice.chance(2_500).then(|| quota(dice)),
            ..Self::usual(contacts)
        }
    }
}

fn quota(dice: &mut Dice) -> Quota {
    let per_minute = dice.one(&[3, 5, 20, 50]);
    let per_hour = dice.one(&[12, 40, 200]);
    let per_day = dice.one(&[60, 150, 600]);
    Quota::new(per_minute, per_hour, per_day)
}

/// The connections: mostly one, sometimes two with one key, with two keys of one team, or of two
/// teams.
fn connections(dice: &mut Dice) -> Vec<ConnectionScenario> {
    let of = |team, key| ConnectionScenario {
        team,
        key,
        limits: LimitOverrides::default(),
    };
    match dice.below(20) {
        0..11 => vec![of(0, 0)],
        11..14 => vec![of(0, 0), of(0, 0)],
        14..17 => vec![of(0, 0), of(0, 1)],
        _ => vec![of(0, 0), of(1, 0)],
    }
}

/// Limits that are reached: fewer records than an object has, or slightly more than one scan reads.
pub(crate) fn limits(
    dice: &mut Dice,
    contacts: usize,
    provider: &SimulatedProvider,
) -> LimitOverrides {
    let page = page_of(provider);
    let contacts = i64::try_from(contacts).unwrap_or(i64::MAX);
    let capped = dice.chance(3_500);
    let tight = dice.chance(5_000);
    LimitOverrides {
        records_per_object: Some(if capped {
            dice.between(page, contacts.max(page + 1))
        } else {
            contacts * 2 + page * 10
        }),
        records_per_hour: Some(if tight {
            dice.between(page * 3 / 2, contacts * 2 + page * 2)
        } else {
            (contacts * 12).max(page)
        }),
        records_per_day: Some(if tight {
            dice.between(contacts * 4 + page * 4, contacts * 20 + page * 4)
        } else {
            contacts * 200
        }),
    }
}

/// Limits of a user who wants to read much less at once.
pub(crate) fn low_limits(dice: &mut Dice, provider: &SimulatedProvider) -> LimitOverrides {
    let page = page_of(provider);
    let per_hour = dice.between(page, page * 4);
    LimitOverrides {
        records_per_object: Some(dice.between(page, page * 6)),
        records_per_hour: Some(per_hour),
        records_per_day: Some(per_hour * dice.between(2, 12)),
    }
}

fn page_of(provider: &SimulatedProvider) -> i64 {
    i64::try_from(provider.page_size).unwrap_or(i64::MAX)
}

fn objects(dice: &mut Dice) -> Vec<Object> {
    match dice.below(20) {
        0 => vec![Object::Contact],
        1 => vec![Object::SequenceState],
        2 => vec![Object::User, Object::Account, Object::SequenceState],
        3 | 4 => vec![Object::Contact, Object::SequenceState],
        5 => vec![Object::Account, Object::Contact],
        _ => Object::ALL.to_vec(),
    }
}
