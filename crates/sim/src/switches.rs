//! Switches for behaviour that Apollo's documentation leaves open or that was observed in both
//! ways.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plans::PlanTable;

/// Uncertain behaviour. The defaults are what was observed most recently, or what the documentation
/// says if nothing was observed.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question about the API"
)]
pub struct Switches {
    /// A 429 says in `retry-after` when its window closes. Documented in 2026 and captured live that year;
    /// older clients report that no time was given.
    pub retry_after: bool,
    /// Calls that each plan allows. The published page is ambiguous.
    pub plans: PlanTable,
    /// `auth/health` refuses an unknown key with 401. No answer is published: several clients look
    /// for `is_logged_in: false` in a 200, others expect the 401.
    pub health_refuses_bad_keys: bool,
    /// The text of the refusal beyond 50,000 records. People search uses the short text, e-mail
    /// message search is documented with the long one; for contacts and accounts one client's test
    /// has the short one.
    pub deep_page_text: DeepPageText,
    /// The order of contacts, accounts and sequences when no `sort_by_field` is given. The documentation names
    /// none, and a recorded page of contacts was in order of neither creation, nor change, nor name.
    pub default_order: DefaultOrder,
    /// How long searches of contacts and accounts still show a record as it was before it was
    /// created, changed or enrolled. In one observation a rename showed after 47 seconds; nobody
    /// has measured less. Reads by id and answers to writes are never delayed.
    pub search_lag: Duration,
    /// How long the same searches still show a deleted record. Not measured.
    pub delete_lag: Duration,
    /// The texts of `inactive_reason`. It is free text in mixed case with no published list: documented
    /// examples show a few, integrators report others.
    pub inactive_reasons: InactiveReasons,
    /// The answer to deleting a contact. The call is undocumented; integrators use it with master
    /// keys, and a connection without the permission was refused with the action's name, so it
    /// exists. No successful answer has been published.
    pub delete_answer: DeleteAnswer,
    /// A call rejected with 429 uses up quota as well. Not documented or measured.
    pub rejected_calls_count: bool,
    /// A call answered with 422 uses up quota. The documentation says so; nobody has measured it.
    pub invalid_calls_count: bool,
    /// Which searches return `page` and `per_page` as strings if they were in the query string.
    /// Recorded for users; a deal search with the same parameters returned numbers.
    pub echo: Echo,
    /// What the searches answer on a free plan. The documentation says paid plans only; a free
    /// workspace was served in May 2026.
    pub free_plan: FreePlan,
    /// Sequence search still lists archived sequences. Not documented; clients read `archived` from
    /// the listed records.
    pub archived_sequences_listed: bool,
    /// An e-mail sent, opened or replied to changes `updated_at` as well as `last_activity_date`.
    /// Phone calls do, by the documented examples; for e-mail nothing is known.
    pub activity_touches_contact: bool,
    /// The answer to a page of more than 100. The refusal is documented for tasks and was observed
    /// elsewhere; some clients report smaller pages instead.
    pub oversized_page: OversizedPage,
    /// Adding a contact to a sequence, or a change of its state there, changes the contact's
    /// `updated_at`. Documented answers show one contact before and after with the same time.
    pub enrolment_touches_contact: bool,
    /// A change to an account changes its position in `account_updated_at` order. A recorded search
    /// shows a renamed account in its old position.
    pub account_changes_move_order: bool,
    /// The reason for skipping a contact that is already in this sequence. The documentation has a
    /// separate code for it; live answers used the code for other sequences.
    pub re_enrolment: ReEnrolment,
    /// A key of limited scope may call `users/api_profile`, which returns its team, without a scope
    /// for it. Unknown: the documentation has no refusal but 401 for the call, and nobody has
    /// published the answer for such a key.
    pub scoped_keys_read_profile: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            retry_after: true,
            plans: PlanTable::default(),
            health_refuses_bad_keys: false,
            deep_page_text: DeepPageText::Short,
            default_order: DefaultOrder::Arbitrary,
            search_lag: Duration::ZERO,
            delete_lag: Duration::ZERO,
            inactive_reasons: InactiveReasons::default(),
            delete_answer: DeleteAnswer::Contact,
            rejected_calls_count: false,
            invalid_calls_count: true,
            echo: Echo::Users,
            free_plan: FreePlan::Served,
            archived_sequences_listed: true,
            activity_touches_contact: false,
            oversized_page: OversizedPage::Refused,
            enrolment_touches_contact: false,
            account_changes_move_order: false,
            re_enrolment: ReEnrolment::AlreadyInCampaign,
            scoped_keys_read_profile: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OversizedPage {
    /// 422 `Per page not supported` from every search.
    Refused,
    /// The same, but only for task search; others serve 100.
    RefusedForTasks,
    /// Served as 100 by every search.
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
pub enum DefaultOrder {
    /// An arbitrary but stable order.
    Arbitrary,
    /// By creation, newest first.
    NewestFirst,
    /// By last change, newest first; sequences, which have no such time, by creation.
    LastChangedFirst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Only `users/search`, as recorded.
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
pub enum DeleteAnswer {
    /// `{"contact": …}`, the contact before the deletion.
    Contact,
    /// `{}`
    Empty,
    /// 403: `api/v1/contacts/destroy is not accessible with this api_key`. The contact stays.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReEnrolment {
    /// `contacts_already_exists_in_current_campaign`
    AlreadyInCampaign,
    /// `contacts_active_in_other_campaigns`
    ActiveInOthers,
}

/// Why a contact is not, or no longer, active in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    SequenceInactive,
    ManuallyPaused,
    ManuallyFinished,
    CompletedLastStep,
    Replied,
    Bounced,
    SpamBlocked,
    UserDeleted,
}

/// The text of each [`Reason`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InactiveReasons(BTreeMap<Reason, String>);

impl InactiveReasons {
    /// The same with another text for `reason`.
    pub fn with(mut self, reason: Reason, text: &str) -> Self {
        self.0.insert(reason, text.to_owned());
        self
    }

    pub fn text(&self, reason: Reason) -> &str {
        if let Some(text) = self.0.get(&reason) {
            return text;
        }
        match reason {
            Reason::SequenceInactive => "Sequence inactive",
            Reason::ManuallyPaused => "manually paused",
            Reason::ManuallyFinished => "manually finished",
            Reason::CompletedLastStep => "Completed last step",
            Reason::Replied => "replied",
            Reason::Bounced => "bounced",
            // A guess, named after the failure.
            Reason::SpamBlocked => "spam blocked",
            Reason::UserDeleted => "User deleted",
        }
    }
}
