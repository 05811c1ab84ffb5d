//! Generates a new team.

mod accounts;
mod catalogues;
mod contacts;
mod database;
mod deals;
mod people;
mod sequences;
mod tasks;

use std::collections::HashMap;

use chrono::TimeDelta;

use super::Team;
use super::credits::Credits;
use super::dice::Dice;
use super::finder::Finder;
use super::table::Table;
use crate::apollo::Late;
use crate::dialect::Dialect;
use crate::grants::Grants;
use crate::limits::Counters;
use crate::options::{Options, TeamOptions};
use crate::outreach::Org;
use crate::salesloft;

/// How long the team had existed before the epoch.
const HISTORY: TimeDelta = TimeDelta::days(540);

impl Team {
    pub(super) fn generate(seed: u64, options: &Options, team: &TeamOptions) -> Self {
        let mut dice = Dice::new(seed);
        let mut mint = options.dialect.mint(&mut dice, options);
        let renderers = options.dialect.renderers();
        let start = options.epoch - HISTORY;
        let id = mint.id(start);
        let mut made = Self {
            late: Late::new(&options.apollo, &id),
            id,
            name: team.name.clone(),
            users: Table::new(renderers.user),
            accounts: Table::new(renderers.account),
            contacts: Table::new(renderers.contact),
            sequences: Table::new(renderers.sequence),
            templates: Table::new(renderers.template),
            mailboxes: Table::new(renderers.mailbox),
            tasks: Table::new(renderers.task),
            deals: Table::new(renderers.deal),
            people: Table::new(renderers.person),
            companies: Table::new(renderers.company),
            finder: Finder::default(),
            state_shapes: HashMap::new(),
            contact_stages: Vec::new(),
            account_stages: Vec::new(),
            deal_stages: Vec::new(),
            deal_pipeline_id: String::new(),
            labels: Vec::new(),
            fields: Vec::new(),
            keys: team.keys.clone(),
            plan: team.plan,
            counters: Counters::default(),
            grants: Grants::new(options.dialect.grant_rules(options)),
            org: Org::new(&options.outreach),
            salesloft: salesloft::Org::new(&options.salesloft),
            dialect: options.dialect,
            credits: Credits::default(),
            switches: options.switches.clone(),
            conventions: options.dialect.conventions(),
            renderers,
            dice,
            mint,
        };
        made.add_catalogues(start);
        for n in 0..team.users.max(3) {
            made.add_generated_user(n, start);
        }
        for n in 0..team.mailboxes {
            made.add_generated_mailbox(n, start, options.epoch);
        }
        for n in 0..team.sequences {
            made.add_generated_sequence(n, start, options.epoch, team.loading_reads);
        }
        for _ in 0..team.accounts {
            let created = made.dice.instant(start, options.epoch);
            let account = made.draft_account(created, options.epoch);
            made.accounts.insert(account);
        }
        made.add_generated_contacts(team.contacts, start, options.epoch);
        for _ in 0..team.contacts / 20 {
            made.add_generated_task(start, options.epoch);
        }
        if options.dialect == Dialect::Apollo {
            made.add_generated_deals(seed, start, options.epoch);
            made.add_database(options.seed, options.epoch);
        }
        let lag = options.dialect.lag(options);
        made.contacts.set_lag(lag);
        made.accounts.set_lag(lag);
        made.tick(options.epoch);
        made
    }
}

/// `text` for addresses: ASCII letters and digits, lower case.
pub(super) fn ascii(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            'é' | 'è' | 'ë' => Some('e'),
            'á' | 'à' | 'ã' => Some('a'),
            'ö' | 'ø' | 'ó' => Some('o'),
            'ü' => Some('u'),
            c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}
