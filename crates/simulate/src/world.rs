//! The provider and its real records: the simulated workspaces, and the history that they don't
//! keep.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};
use syncline_model::{Clock, Credentials, ManualClock, OAuthTokens, Object, Time};
use syncline_sim::{
    DeletedCadence, Dialect, KeyOptions, OldRefreshToken, Options, OutreachOptions,
    OutreachSwitches, Plan as PricePlan, SalesloftOptions, SalesloftSwitches, Simulator, Switches,
    Team, TeamOptions,
};

use crate::{clock::Leaps, dice::Dice, provider::SimulatedProvider, scenario::Scenario};

/// How long the simulated access tokens are valid.
const ACCESS_TOKEN_LIFE: TimeDelta = TimeDelta::hours(2);

/// The simulated provider with the simulation's time. Shared by all parts.
pub(crate) struct World {
    pub(crate) provider: &'static SimulatedProvider,
    pub(crate) sim: Simulator,
    /// The true time.
    pub(crate) clock: Arc<ManualClock>,
    /// By how much the processes' clocks are wrong.
    pub(crate) leaps: Arc<Leaps>,
    /// The longest delay of its searches.
    pub(crate) lag: TimeDelta,
    /// Whether its false answers leave records out, or invent some.
    pub(crate) hides_records: bool,
    /// Whether some of its records have values of the wrong type.
    pub(crate) misshapes_records: bool,
    scoped_keys_read_profile: bool,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// When an object of a team changed last.
    changed: BTreeMap<(usize, Object), Time>,
    /// When a record was last hidden from the key's user, shown again, or brought back after it was
    /// deleted.
    visibility: HashMap<(usize, String), Time>,
    /// When a record of a team was last deleted or hidden, and when one last came back.
    vanished: BTreeMap<(usize, Object), Time>,
    returned: BTreeMap<(usize, Object), Time>,
    /// Ids of deleted records, which may come back.
    gone: BTreeMap<(usize, Object), Vec<String>>,
    /// The team of each key or access token that ever existed, and whether it may read everything.
    keys: BTreeMap<String, (usize, bool)>,
    /// The access tokens that refreshes brought and that were never seen stored, with their teams.
    unstored: BTreeMap<String, usize>,
    /// Teams that revoked all tokens.
    revoked: BTreeSet<usize>,
}

impl World {
    pub(crate) fn new(dice: &mut Dice, provider_dice: &mut Dice, scenario: &Scenario) -> Self {
        let switches = Switches {
            search_lag: scenario.search_lag,
            delete_lag: scenario.delete_lag,
            scoped_keys_read_profile: scenario.scoped_keys_read_profile,
            free_plan: syncline_sim::FreePlan::NamesTheEndpoint,
            retry_after: dice.chance(7_000),
            rejected_calls_count: dice.chance(3_000),
            account_changes_move_order: dice.chance(5_000),
            enrolment_touches_contact: dice.chance(3_000),
            archived_sequences_listed: dice.chance(8_000),
            ..Switches::default()
        };
        let provider = scenario.provider;
        let mut keys = BTreeMap::new();
        let by_key = scenario.connections.iter();
        for connection in by_key.filter(|_| provider.client.is_none()) {
            keys.insert(
                key_name(connection.team, connection.key, 0),
                (connection.team, true),
            );
        }
        let teams = scenario.teams.iter().enumerate().map(|(team, it)| {
            let own_keys = keys.iter().filter(|(_, (of, _))| *of == team);
            TeamOptions {
                name: format!("Team {team}"),
                contacts: it.contacts,
                accounts: it.accounts,
                users: it.users,
                sequences: it.sequences,
                mailboxes: it.mailboxes,
                keys: own_keys.map(|(key, _)| KeyOptions::master(key)).collect(),
                plan: it.quota.map_or(PricePlan::Unlimited, PricePlan::Custom),
                loading_reads: 1,
            }
        });
        let options = Options {
            dialect: provider.dialect,
            seed: dice.number(),
            teams: teams.collect(),
            switches,
            outreach: outreach_options(provider_dice),
            salesloft: salesloft_options(provider_dice),
            ..Options::default()
        };
        let begins = options.epoch + dice.span(TimeDelta::minutes(1), TimeDelta::hours(2));
        Self {
            provider,
            lag: TimeDelta::from_std(scenario.search_lag.max(scenario.delete_lag))
                .unwrap_or_default(),
            hides_records: dice.chance(7_000),
            misshapes_records: scenario.misshapes_records,
            leaps: Arc::new(Leaps::new(scenario.processes)),
            sim: Simulator::new(options),
            clock: Arc::new(ManualClock::at(begins)),
            scoped_keys_read_profile: scenario.scoped_keys_read_profile,
            book: Mutex::new(Book {
                keys,
                ..Book::default()
            }),
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Changes a team now.
    pub(crate) fn edit<R>(&self, team: usize, change: impl FnOnce(&mut Team, Time) -> R) -> R {
        let now = self.now();
        self.sim.edit(team, |team| {
            team.tick(now);
            change(team, now)
        })
    }

    pub(crate) fn read<R>(&self, team: usize, read: impl FnOnce(&Team) -> R) -> R {
        self.sim.read(team, read)
    }

    /// Records that these objects of a team changed.
    pub(crate) fn note_change(&self, team: usize, objects: &[Object]) {
        let now = self.now();
        let mut book = self.book();
        for object in objects {
            book.changed.insert((team, *object), now);
        }
    }

    /// When searches showed the last change of a team's object.
    pub(crate) fn changed_at(&self, team: usize, object: Object) -> Option<Time> {
        let changed = self.book().changed.get(&(team, object)).copied();
        changed.map(|at| at + self.lag)
    }

    pub(crate) fn note_hidden(&self, team: usize, object: Object, id: &str) {
        let now = self.now();
        let mut book = self.book();
        book.visibility.insert((team, id.to_owned()), now);
        book.vanished.insert((team, object), now);
    }

    pub(crate) fn note_shown(&self, team: usize, object: Object, id: &str) {
        let now = self.now();
        let mut book = self.book();
        book.visibility.insert((team, id.to_owned()), now);
        book.returned.insert((team, object), now);
    }

    /// Whether searches have lost a record of the team and got one back since `since`: then pages
    /// shifted, but the totals don't show it.
    pub(crate) fn has_swapped(&self, team: usize, object: Object, since: Time) -> bool {
        let book = self.book();
        let is_newer = |times: &BTreeMap<(usize, Object), Time>| {
            let at = times.get(&(team, object));
            at.is_some_and(|at| *at + self.lag >= since)
        };
        is_newer(&book.vanished) && is_newer(&book.returned)
    }

    /// When each of a team's records that was ever hidden or brought back was so last.
    pub(crate) fn visibility(&self, team: usize) -> HashMap<String, Time> {
        let book = self.book();
        let own = book.visibility.iter().filter(|((of, _), _)| *of == team);
        own.map(|((_, id), at)| (id.clone(), *at)).collect()
    }

    pub(crate) fn note_gone(&self, team: usize, object: Object, id: &str) {
        let now = self.now();
        let mut book = self.book();
        book.vanished.insert((team, object), now);
        let gone = book.gone.entry((team, object)).or_default();
        gone.push(id.to_owned());
    }

    pub(crate) fn note_back(&self, team: usize, object: Object, id: &str) {
        let now = self.now();
        let mut book = self.book();
        book.returned.insert((team, object), now);
        book.visibility.insert((team, id.to_owned()), now);
        let gone = book.gone.entry((team, object)).or_default();
        gone.retain(|known| known != id);
    }

    /// Ids of a team's deleted records.
    pub(crate) fn gone(&self, team: usize, object: Object) -> Vec<String> {
        let book = self.book();
        book.gone.get(&(team, object)).cloned().unwrap_or_default()
    }

    /// Adds a key that the team accepts from now on.
    pub(crate) fn add_key(&self, team: usize, key: &str, scopes: Option<&[&str]>) {
        let options = match scopes {
            Some(scopes) => KeyOptions::scoped(key, scopes),
            None => KeyOptions::master(key),
        };
        self.edit(team, |team, _| team.add_key(options));
        let is_master = scopes.is_none();
        self.book().keys.insert(key.to_owned(), (team, is_master));
    }

    /// Lets a customer authorize: a new pair of tokens of the team, with only these scopes.
    pub(crate) fn grant_tokens(&self, team: usize, scopes: Option<&[&str]>) -> Credentials {
        let now = self.now();
        let pair = self.edit(team, |team, now| {
            // The oldest user is never changed.
            let user = team.user_ids().into_iter().next().unwrap_or_default();
            team.grant_tokens(now, &user, scopes)
        });
        let mut book = self.book();
        book.keys
            .insert(pair.access.clone(), (team, scopes.is_none()));
        Credentials::OAuth(OAuthTokens {
            access_token: pair.access.into(),
            refresh_token: pair.refresh.into(),
            expires_at: now + ACCESS_TOKEN_LIFE,
        })
    }

    pub(crate) fn revoke_tokens(&self, team: usize) {
        self.edit(team, |team, _| team.revoke_tokens(None));
        self.book().revoked.insert(team);
    }

    /// A refresh of a team's tokens brought this access token.
    pub(crate) fn note_refreshed(&self, team: usize, access_token: &str) {
        let mut book = self.book();
        book.keys.insert(access_token.to_owned(), (team, true));
        book.unstored.insert(access_token.to_owned(), team);
    }

    pub(crate) fn is_unstored(&self, access_token: &str) -> bool {
        self.book().unstored.contains_key(access_token)
    }

    pub(crate) fn note_stored(&self, access_token: &str) {
        self.book().unstored.remove(access_token);
    }

    /// Whether the team may have to authorize again: it revoked its tokens, or the answer of a refresh
    /// was lost, which may have ended the tokens before it.
    pub(crate) fn may_have_lost_tokens(&self, team: usize) -> bool {
        let book = self.book();
        book.revoked.contains(&team) || book.unstored.values().any(|of| *of == team)
    }

    pub(crate) fn team_of(&self, key: &str) -> Option<usize> {
        self.book().keys.get(key).map(|(team, _)| *team)
    }

    /// What the key's records count against: its team, if the key may read it, otherwise the key.
    pub(crate) fn account_of(&self, key: &str) -> String {
        match self.book().keys.get(key) {
            Some((team, is_master))
                if *is_master
                    || self.scoped_keys_read_profile
                    || self.provider.client.is_some() =>
            {
                format!("team {team}")
            }
            _ => format!("key {key}"),
        }
    }

    /// The account names of a team's keys while the team is not known.
    pub(crate) fn key_accounts(&self, team: usize) -> BTreeSet<String> {
        let book = self.book();
        let own = book.keys.iter().filter(|(_, (of, _))| *of == team);
        let name = self.provider.name;
        own.map(|(key, _)| format!("{name}:key:{}", hex::encode(Sha256::digest(key))))
            .collect()
    }

    /// The name of the account that a team's connections share.
    pub(crate) fn account_name(&self, team: usize) -> String {
        let provider = self.provider.name;
        let owner = self.read(team, |team| match self.provider.dialect {
            Dialect::Apollo | Dialect::Salesloft => team.id().to_owned(),
            Dialect::Outreach => {
                let user = team.user_ids().into_iter().next().unwrap_or_default();
                format!("{user} of {}", team.instance_url())
            }
        });
        format!("{provider}:team:{owner}")
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nobody panics while it is held")
    }
}

fn outreach_options(dice: &mut Dice) -> OutreachOptions {
    OutreachOptions {
        requests_per_hour: dice.one(&[10_000, 10_000, 400, 60]),
        switches: OutreachSwitches {
            old_refresh_valid: dice.chance(5_000),
            refresh_throttle: dice.chance(5_000),
            ..OutreachSwitches::default()
        },
        ..OutreachOptions::default()
    }
}

fn salesloft_options(dice: &mut Dice) -> SalesloftOptions {
    SalesloftOptions {
        points_per_minute: dice.one(&[600, 600, 60, 10]),
        switches: SalesloftSwitches {
            old_refresh_token: dice.one(&[
                OldRefreshToken::DeadAtOnce,
                OldRefreshToken::DeadAtOnce,
                OldRefreshToken::UntilAccessIsUsed,
            ]),
            refresh_ends_old_access: dice.chance(5_000),
            deleted_cadence: dice.one(&[DeletedCadence::NotFound, DeletedCadence::Shown]),
            ..SalesloftSwitches::default()
        },
        ..SalesloftOptions::default()
    }
}

/// The key of a connection: its team, its number there, and the number of changes.
pub(crate) fn key_name(team: usize, key: usize, generation: u32) -> String {
    format!("key-{team}-{key}-{generation}")
}
