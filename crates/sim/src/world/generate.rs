//! Populates a new team: people, sequences, mailboxes, catalogues. Contacts have a file of their own.

use chrono::{DateTime, TimeDelta, Utc};

use super::Team;
use super::account::{Account, Address};
use super::catalogue::{Field, Label, Stage};
use super::dice::{Dice, Mint};
use super::mailbox::Mailbox;
use super::names;
use super::sequence::{Sequence, Step, Touch};
use super::table::Table;
use super::task::Task;
use super::user::User;
use crate::limits::Counters;
use crate::options::{Options, TeamOptions};

/// How long the team had existed at the epoch.
const HISTORY: TimeDelta = TimeDelta::days(540);

const TASK_KINDS: &[&str] = &[
    "call",
    "outreach_manual_email",
    "linkedin_step_connect",
    "action_item",
];
const PRIORITIES: &[&str] = &["high", "medium", "low"];

impl Team {
    pub(super) fn generate(seed: u64, options: &Options, team: &TeamOptions) -> Self {
        let mut dice = Dice::new(seed);
        let mut mint = Mint::new(&mut dice);
        let start = options.epoch - HISTORY;
        let mut made = Self {
            id: mint.id(start),
            name: team.name.clone(),
            users: Table::new(),
            accounts: Table::new(),
            contacts: Table::new(),
            sequences: Table::new(),
            mailboxes: Table::new(),
            tasks: Table::new(),
            contact_stages: Vec::new(),
            account_stages: Vec::new(),
            labels: Vec::new(),
            fields: Vec::new(),
            keys: team.keys.clone(),
            plan: team.plan,
            counters: Counters::default(),
            switches: options.switches.clone(),
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
        made
    }

    fn add_catalogues(&mut self, start: DateTime<Utc>) {
        for &(name, category) in names::CONTACT_STAGE {
            let id = self.mint(start);
            self.contact_stages.push(Stage { id, name, category });
        }
        for &(name, category) in names::ACCOUNT_STAGE {
            let id = self.mint(start);
            self.account_stages.push(Stage { id, name, category });
        }
        for (n, name) in names::LABEL.iter().enumerate() {
            let created_at = start + TimeDelta::days(20 + 31 * i64::try_from(n).unwrap_or(0));
            let id = self.mint(created_at);
            self.labels.push(Label {
                id,
                name: (*name).to_owned(),
                modality: if n % 3 == 2 { "accounts" } else { "contacts" },
                created_at,
                user_id: None,
            });
        }
        let fields: [(&str, &str, &str, &[&str]); 5] = [
            (
                "contact",
                "Lead Source",
                "picklist",
                &["Organic Search", "Referral", "Trade show", "Outbound"],
            ),
            ("contact", "Renewal date", "datetime", &[]),
            ("contact", "Favourite topic", "string", &[]),
            ("contact", "Score", "number", &[]),
            ("account", "Tier", "picklist", &["A", "B", "C"]),
        ];
        for (modality, name, kind, choices) in fields {
            let choices = choices
                .iter()
                .map(|&choice| (self.mint(start), choice))
                .collect();
            let id = self.mint(start);
            self.fields.push(Field {
                id,
                modality,
                name,
                kind,
                choices,
            });
        }
    }

    fn add_generated_user(&mut self, n: usize, start: DateTime<Utc>) {
        let days = i64::try_from(n).unwrap_or(0) * 40;
        let first = self.dice.word(names::FIRST);
        let last = self.dice.word(names::LAST);
        let created = start
            + TimeDelta::days(days.min(500))
            + TimeDelta::milliseconds(self.dice.between(0, 80_000_000));
        let mut user = self.draft_user(created, first, last);
        match n {
            1 => user.deleted = true,
            2 => {
                user.first_name = None;
                user.last_name = None;
                user.title = None;
            }
            _ => {}
        }
        self.users.insert(user);
    }

    pub(super) fn draft_user(
        &mut self,
        created_at: DateTime<Utc>,
        first: &str,
        last: &str,
    ) -> User {
        let title = self.dice.word(&[
            "Account Executive",
            "Sales Development Rep",
            "Head of Sales",
            "RevOps Manager",
        ]);
        // Two sellers of one name still have two addresses.
        let taken = self.users.all().len();
        let domain = self.domain();
        User {
            id: self.mint(created_at),
            team_id: self.id.clone(),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            title: Some(title.to_owned()),
            email: format!("{}.{}{taken}@{domain}", ascii(first), ascii(last)),
            created_at,
            permission_set_id: self.mint(created_at),
            assistant_id: self.mint(created_at),
            deleted: false,
        }
    }

    /// The domain the team sends from.
    pub(super) fn domain(&self) -> String {
        format!("{}.example", ascii(&self.name))
    }

    fn add_generated_mailbox(&mut self, n: usize, start: DateTime<Utc>, epoch: DateTime<Utc>) {
        let created = self.dice.instant(start, epoch - TimeDelta::days(30));
        let users = self.users.all();
        let Some(user_id) = users
            .get(n % users.len().max(1))
            .map(|user| user.id.clone())
        else {
            return;
        };
        let mut mailbox = self.draft_mailbox(created, &user_id);
        mailbox.default = n < users_len(self);
        mailbox.last_synced_at =
            Some(epoch - TimeDelta::milliseconds(self.dice.between(0, 3_600_000)));
        match n {
            3 => {
                mailbox.active = false;
                mailbox.revoked_at = Some(self.dice.instant(created, epoch));
                mailbox.inactive_reason =
                    Some("Access was revoked by the mail provider".to_owned());
            }
            5 => {
                mailbox.active = false;
                mailbox.inactive_reason = Some("Mailbox was unlinked".to_owned());
            }
            6 => mailbox.last_synced_at = None,
            _ => {}
        }
        self.mailboxes.insert(mailbox);
    }

    pub(super) fn draft_mailbox(&mut self, created_at: DateTime<Utc>, user_id: &str) -> Mailbox {
        let n = self.mailboxes.all().len();
        let kinds = [
            ("gmail", "Gmail"),
            ("office365", "Office 365"),
            ("smtp", "Other"),
        ];
        let user = self.users.get(user_id);
        let name = user.map(User::name).unwrap_or_default();
        let local = user
            .and_then(|user| user.email.split('@').next())
            .unwrap_or("sales")
            .to_owned();
        Mailbox {
            id: self.mint(created_at),
            team_id: self.id.clone(),
            user_id: user_id.to_owned(),
            email: format!("{local}.{n}@mail.{}", self.domain()),
            kind: self
                .dice
                .pick(&kinds)
                .copied()
                .unwrap_or(("gmail", "Gmail")),
            active: true,
            default: false,
            created_at,
            last_synced_at: None,
            revoked_at: None,
            inactive_reason: None,
            daily_threshold: 50,
            score_id: self.mint(created_at),
            signature: format!("<div>{name}</div><div>{}</div>", self.name),
            deleted: false,
        }
    }

    fn add_generated_sequence(
        &mut self,
        n: usize,
        start: DateTime<Utc>,
        epoch: DateTime<Utc>,
        loading: u32,
    ) {
        let created = self.dice.instant(start, epoch - TimeDelta::days(14));
        let base = names::SEQUENCE
            .get(n % names::SEQUENCE.len())
            .copied()
            .unwrap_or_default();
        let name = match n / names::SEQUENCE.len() {
            0 => base.to_owned(),
            round => format!("{base} ({})", round + 1),
        };
        let mut sequence = self.draft_sequence(created, &name);
        sequence.active = !matches!(n % 6, 4 | 5);
        sequence.archived = n % 6 == 5;
        sequence.loading_reads = if n % 3 == 1 { loading } else { 0 };
        if n != 8 {
            sequence.last_used_at = Some(self.dice.instant(created, epoch));
            sequence.stats = self.stats();
        }
        self.sequences.insert(sequence);
    }

    fn stats(&mut self) -> [u32; 10] {
        let delivered = u32::try_from(self.dice.below(2_000)).unwrap_or(0);
        let mut share = |percent: u32| {
            let chance = u32::try_from(self.dice.below(1_000)).unwrap_or(0);
            delivered * percent * chance / 100_000
        };
        [
            share(10),
            delivered,
            share(5),
            share(60),
            share(3),
            share(2),
            share(12),
            share(3),
            share(15),
            share(4),
        ]
    }

    pub(super) fn draft_sequence(&mut self, created_at: DateTime<Utc>, name: &str) -> Sequence {
        let users = self.users.all();
        let user_id = self.dice.pick(users).map(|user| user.id.clone());
        let label_ids = Vec::new();
        let kinds = [
            "auto_email",
            "call",
            "auto_email",
            "manual_email",
            "linkedin_step_connect",
            "action_item",
        ];
        let steps = 2 + self.dice.below(5);
        let steps = kinds.iter().cycle().take(steps).enumerate();
        let steps = steps
            .map(|(n, kind)| self.draft_step(created_at, n, kind))
            .collect();
        Sequence {
            id: self.mint(created_at),
            shuffle: self.shuffle(),
            name: name.to_owned(),
            active: true,
            archived: false,
            deleted: false,
            loading_reads: 0,
            created_at,
            last_used_at: None,
            user_id,
            schedule_id: self.mint(created_at),
            ruleset_id: self.mint(created_at),
            label_ids,
            stats: [0; 10],
            steps,
        }
    }

    fn draft_step(&mut self, created_at: DateTime<Utc>, n: usize, kind: &'static str) -> Step {
        let by_email = kind.ends_with("_email");
        let touch = by_email.then(|| Touch {
            id: self.mint(created_at),
            template_id: self.mint(created_at),
            subject: self.dice.word(names::SUBJECT).to_owned(),
            body: "Hi {{first_name}}, do you have a quarter of an hour this week?".to_owned(),
            opens_thread: n == 0,
        });
        let (wait_time, wait_mode) = match n {
            0 => (30, "minute"),
            1 => (4, "hour"),
            _ => (self.dice.between(2, 5), "day"),
        };
        Step {
            id: self.mint(created_at),
            kind,
            wait_time,
            wait_mode,
            note: (!by_email).then(|| "Mention the case study".to_owned()),
            touch,
        }
    }

    pub(super) fn draft_account(
        &mut self,
        created_at: DateTime<Utc>,
        latest: DateTime<Utc>,
    ) -> Account {
        let head = self.dice.word(names::COMPANY_HEAD);
        let tail = self.dice.word(names::COMPANY_TAIL);
        let street = self.dice.word(names::STREET);
        let number = self.dice.between(1, 480);
        let place = self.dice.pick(names::PLACE).copied().unwrap_or_default();
        let address = match self.dice.below(10) {
            0..6 => Some(Address {
                raw: format!("{number} {street}, {}, {} {}", place[0], place[1], place[4]),
                parts: Some((format!("{number} {street}"), place)),
            }),
            6 => Some(Address {
                raw: format!("{}, near the station", place[0]),
                parts: None,
            }),
            _ => None,
        };
        let owner = self.dice.pick(self.users.all()).map(|user| user.id.clone());
        let stage = self
            .dice
            .pick(&self.account_stages)
            .map(|stage| stage.id.clone());
        let phone = format!("+1415555{:04}", self.dice.between(100, 199));
        Account {
            id: self.mint(created_at),
            shuffle: self.shuffle(),
            team_id: self.id.clone(),
            name: format!("{head} {tail}"),
            domain: (!self.dice.percent(8))
                .then(|| format!("{}{}.example", ascii(head), ascii(tail))),
            organization_id: self.dice.percent(40).then(|| self.mint(created_at)),
            stage_id: self.dice.percent(80).then_some(stage).flatten(),
            owner_id: self.dice.percent(85).then_some(owner).flatten(),
            creator_id: self.caller_id(),
            source: self.dice.word(&["api", "csv_import", "crm"]),
            created_at,
            index_key: created_at,
            last_activity: self
                .dice
                .percent(30)
                .then(|| self.dice.instant(created_at, latest)),
            phone: self.dice.percent(60).then_some(phone),
            address,
            label_ids: Vec::new(),
            custom_fields: std::collections::BTreeMap::new(),
            num_contacts: 0,
            deleted: false,
        }
    }

    fn add_generated_task(&mut self, start: DateTime<Utc>, epoch: DateTime<Utc>) {
        let created_at = self.dice.instant(start, epoch);
        let Some(user_id) = self.dice.pick(self.users.all()).map(|user| user.id.clone()) else {
            return;
        };
        let contact = self
            .dice
            .pick(self.contacts.all())
            .map(|contact| contact.id.clone());
        let kind = self.dice.word(TASK_KINDS).to_owned();
        let priority = self.dice.word(PRIORITIES).to_owned();
        let due = self.dice.between(1, 21);
        let done = self.dice.percent(30);
        let mut task = Task {
            id: self.mint(created_at),
            creator_id: user_id.clone(),
            user_id,
            contact_id: None,
            account_id: None,
            contact: None,
            kind,
            priority,
            status: if done { "completed" } else { "scheduled" }.to_owned(),
            title: None,
            note: self
                .dice
                .percent(40)
                .then(|| "Ask about the roll-out in the second plant".to_owned()),
            created_at,
            due_at: Some(created_at + TimeDelta::days(due)),
            completed_at: done.then(|| created_at + TimeDelta::days(due - 1)),
            skipped_at: None,
        };
        self.attach_contact(&mut task, contact.as_deref());
        self.tasks.insert(task);
    }
}

fn users_len(team: &Team) -> usize {
    team.users.all().len()
}

/// `text` as it appears in addresses: ASCII letters and digits, lower case.
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
