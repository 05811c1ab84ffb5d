//! Switches for behaviour that Salesloft does not document or that was observed both ways.

use crate::grants::OldRefreshToken;

/// Uncertain behaviour. The defaults are what was observed, or else what is documented.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question about the API"
)]
pub struct SalesloftSwitches {
    /// Unknown fields of writes get 422 instead of being ignored.
    pub unknown_fields_refused: bool,
    /// What becomes of a refresh token that was used.
    pub old_refresh_token: OldRefreshToken,
    /// A refresh also ends the access token of the old pair.
    pub refresh_ends_old_access: bool,
    /// The token endpoint refuses everything with 401. Otherwise a wrong client is 401 and the rest 400.
    pub token_errors_are_unauthorized: bool,
    /// Actions need `tasks:read` instead of `cadences:read`.
    pub actions_need_tasks_scope: bool,
    /// The text of the 401 for an expired or revoked access token; `None` is the text for an unknown one.
    pub expired_text: Option<String>,
    /// The 404 body has no `status`.
    pub not_found_without_status: bool,
    /// Answers carry `x-ratelimit-limit-minute`.
    pub limit_header: bool,
    /// What tasks do with the undocumented filter and order `updated_at`.
    pub task_updates: TaskUpdates,
    /// `email_addresses[]` also matches secondary and personal addresses.
    pub email_filter_matches_all: bool,
    /// The answer to reading a deleted cadence.
    pub deleted_cadence: DeletedCadence,
    /// Deleting a cadence deletes its memberships.
    pub cadence_delete_takes_memberships: bool,
    /// A change of a person's counters moves their `updated_at`.
    pub counters_touch_people: bool,
    /// Creations answer 201 instead of 200.
    pub created_status: bool,
    /// People can be added to a draft, as `staged`. Otherwise 422.
    pub drafts_take_people: bool,
    /// An import into a cadence with steps appends to it. Otherwise 422.
    pub imports_append: bool,
    /// Enrolling an unknown person, or into an unknown cadence, is 404 instead of 422.
    pub unknown_enrolment_not_found: bool,
    /// Enrolling a person who is on the cadence answers 200 with the membership. Otherwise 422.
    pub repeated_enrolment_accepted: bool,
    /// Enrolling somebody who must not be contacted answers 200 and removes them at once. Otherwise 422.
    pub forbidden_enrolment_removed: bool,
    /// Changing an account needs its name and domain, as described. Otherwise absent fields stay.
    pub account_updates_need_name: bool,
    /// An unknown label in `custom_fields` gets 422 instead of being ignored.
    pub unknown_custom_fields_refused: bool,
    /// A new webhook subscription is in `data`. Otherwise the answer is the bare subscription.
    pub webhook_creation_in_data: bool,
    /// Pages from this one on get 502.
    pub bad_gateway_from_page: Option<u64>,
    /// Lists of users without `page` show everybody and have no `paging`. Otherwise they have pages.
    pub unpaged_lists: bool,
    /// The cost points are those of the last 60 seconds instead of the clock minute.
    pub rolling_minute: bool,
    /// A malformed time in a filter gets 422 instead of 500.
    pub bad_time_unprocessable: bool,
    /// A bulk edit gives all its records the same `updated_at`. Otherwise they are a microsecond apart.
    pub bulk_edits_share_time: bool,
}

impl Default for SalesloftSwitches {
    fn default() -> Self {
        Self {
            unknown_fields_refused: false,
            old_refresh_token: OldRefreshToken::DeadAtOnce,
            refresh_ends_old_access: false,
            token_errors_are_unauthorized: false,
            actions_need_tasks_scope: false,
            expired_text: None,
            not_found_without_status: false,
            limit_header: true,
            task_updates: TaskUpdates::Work,
            email_filter_matches_all: false,
            deleted_cadence: DeletedCadence::NotFound,
            cadence_delete_takes_memberships: false,
            counters_touch_people: true,
            created_status: false,
            drafts_take_people: false,
            imports_append: false,
            unknown_enrolment_not_found: false,
            repeated_enrolment_accepted: false,
            forbidden_enrolment_removed: false,
            account_updates_need_name: false,
            unknown_custom_fields_refused: false,
            webhook_creation_in_data: false,
            bad_gateway_from_page: None,
            unpaged_lists: true,
            rolling_minute: false,
            bad_time_unprocessable: false,
            bulk_edits_share_time: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskUpdates {
    Work,
    Ignored,
    /// 422
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedCadence {
    NotFound,
    /// 200 with `current_state` `deleted`.
    Shown,
}
