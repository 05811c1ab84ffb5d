//! What world to simulate, and the switches for behaviour that Apollo's users report differently.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::limits::Quota;

/// How to build a [`crate::Simulator`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The same seed and options give the same world, byte for byte.
    pub seed: u64,
    /// The world's present when it is made: everything in it happened before.
    pub epoch: DateTime<Utc>,
    pub teams: Vec<TeamOptions>,
    pub switches: Switches,
    /// Added by the HTTP server to every answer. Apollo itself takes 20 to 110 ms.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            // 2026-01-01T00:00:00Z
            epoch: DateTime::UNIX_EPOCH + TimeDelta::days(20_454),
            teams: vec![TeamOptions::default()],
            switches: Switches::default(),
            latency: Duration::ZERO,
        }
    }
}

impl Options {
    /// The default world with another number of contacts.
    pub fn with_contacts(contacts: usize) -> Self {
        Self {
            teams: vec![TeamOptions::sized(contacts)],
            ..Self::default()
        }
    }
}

/// One workspace.
#[derive(Debug, Clone)]
pub struct TeamOptions {
    pub name: String,
    pub contacts: usize,
    pub accounts: usize,
    /// Two of them are special: one is deleted, one was invited and never came. At least 3.
    pub users: usize,
    pub sequences: usize,
    pub mailboxes: usize,
    pub keys: Vec<KeyOptions>,
    pub plan: Plan,
    /// How many reads of a sequence show some statistics as `"loading"` before numbers arrive. Applies to
    /// every third sequence.
    pub loading_reads: u32,
}

impl Default for TeamOptions {
    fn default() -> Self {
        Self::sized(1_000)
    }
}

impl TeamOptions {
    /// The usual team with that many contacts.
    pub fn sized(contacts: usize) -> Self {
        Self {
            name: "Brightwater Analytics".to_owned(),
            contacts,
            accounts: contacts / 8,
            users: 8,
            sequences: 12,
            mailboxes: 10,
            keys: vec![
                KeyOptions::master("sim-master-key"),
                KeyOptions::scoped("sim-scoped-key", &["contacts/search", "accounts/search"]),
            ],
            plan: Plan::Unlimited,
            loading_reads: 1,
        }
    }

    /// A further team, told apart by its keys: `sim-master-key-<n>` and `sim-scoped-key-<n>`.
    pub fn numbered(n: usize, contacts: usize) -> Self {
        Self {
            name: format!("Workspace {n}"),
            keys: vec![
                KeyOptions::master(&format!("sim-master-key-{n}")),
                KeyOptions::scoped(
                    &format!("sim-scoped-key-{n}"),
                    &["contacts/search", "accounts/search"],
                ),
            ],
            ..Self::sized(contacts)
        }
    }
}

/// An API key and what it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOptions {
    pub key: String,
    /// `None` is a master key; otherwise actions such as `contacts/search`.
    pub scopes: Option<Vec<String>>,
}

impl KeyOptions {
    pub fn master(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            scopes: None,
        }
    }

    pub fn scoped(key: &str, actions: &[&str]) -> Self {
        Self {
            key: key.to_owned(),
            scopes: Some(actions.iter().map(|&action| action.to_owned()).collect()),
        }
    }
}

/// A price plan, as far as it decides quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// No window has a limit; the headers announce that with empty values.
    #[default]
    Unlimited,
    Free,
    Basic,
    Professional,
    Organization,
    Custom(Quota),
}

impl Plan {
    /// Calls per action. Apollo's own page has been read differently for the two largest plans, so a test
    /// that depends on a number should bring it as [`Plan::Custom`].
    pub fn quota(self) -> Quota {
        match self {
            Self::Unlimited => Quota::UNLIMITED,
            Self::Free => Quota::new(50, 200, 600),
            Self::Basic | Self::Professional => Quota::new(200, 400, 2_000),
            Self::Organization => Quota::new(200, 600, 6_000),
            Self::Custom(quota) => quota,
        }
    }
}

/// Behaviour that Apollo's documentation leaves open or that has been seen both ways. The defaults are what
/// was seen most recently, or what the documentation says where nothing was seen.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question about the API"
)]
pub struct Switches {
    /// A 429 says in `retry-after` when its window closes. Documented in 2026 and seen live; older clients
    /// report that no time was given.
    pub retry_after: bool,
    /// A rejected call uses up quota as well. Nobody has documented or measured it.
    pub rejected_calls_count: bool,
    /// A call answered 422 uses up quota. The documentation's wording says so.
    pub invalid_calls_count: bool,
    /// `auth/health` refuses an unknown key with 401. Most clients expect 200 with `is_logged_in: false`.
    pub health_refuses_bad_keys: bool,
    /// Adding a contact to a sequence, or a change of its state there, moves the contact's `updated_at`.
    /// Documented responses show that it does not.
    pub enrolment_touches_contact: bool,
    /// An e-mail sent, opened or replied to moves `updated_at` as well as `last_activity_date`. Phone calls do.
    pub activity_touches_contact: bool,
    /// A change to an account moves its place in `account_updated_at` order. A recorded search shows a renamed
    /// account staying where it was.
    pub account_changes_move_order: bool,
    /// Sequence search still lists archived sequences.
    pub archived_sequences_listed: bool,
    /// What a page of more than 100 gets. Documented as refused for tasks, reported as clamped elsewhere.
    pub oversized_page: OversizedPage,
    /// The words of the refusal past 50,000 records; both are in use.
    pub deep_page_text: DeepPageText,
    /// Which searches echo `page` and `per_page` as strings when they came in the query string.
    pub echo: Echo,
    /// What a free plan gets from the searches. The documentation says paid plans only; a free workspace was
    /// served in 2026.
    pub free_plan: FreePlan,
    /// The reason for skipping a contact that is in the very sequence already. The documentation has a code
    /// of its own for it; live answers used the one for other sequences.
    pub re_enrolment: ReEnrolment,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            retry_after: true,
            rejected_calls_count: false,
            invalid_calls_count: true,
            health_refuses_bad_keys: false,
            enrolment_touches_contact: false,
            activity_touches_contact: false,
            account_changes_move_order: false,
            archived_sequences_listed: true,
            oversized_page: OversizedPage::Refused,
            deep_page_text: DeepPageText::Short,
            echo: Echo::Users,
            free_plan: FreePlan::Served,
            re_enrolment: ReEnrolment::AlreadyInCampaign,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OversizedPage {
    /// 422 `Per page not supported`.
    Refused,
    /// Served as 100.
    Clamped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeepPageText {
    /// `Page * per page number is over threshold.`
    Short,
    /// `Invalid parameter passed in. Page * per page number is over threshold.`
    Long,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// `users/search` alone, as recorded.
    Users,
    Everywhere,
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreePlan {
    Served,
    /// 403 `This endpoint is only available to Apollo users on paid plans.`
    PaidPlansOnly,
    /// 403 `… is not accessible with this api_key on a free plan …`
    NamesTheEndpoint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReEnrolment {
    /// `contacts_already_exists_in_current_campaign`
    AlreadyInCampaign,
    /// `contacts_active_in_other_campaigns`
    ActiveInOthers,
}
