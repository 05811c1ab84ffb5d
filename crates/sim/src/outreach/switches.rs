//! Switches for behaviour that Outreach does not document or that was observed both ways.

/// Uncertain behaviour. The defaults are what was observed, or else what is documented.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question about the API"
)]
pub struct OutreachSwitches {
    /// Reads without `content-type: application/vnd.api+json` get 415, as documented. Clients in production
    /// send another type or none. Writes always need it.
    pub strict_content_type: bool,
    /// The consent page refuses PKCE parameters instead of ignoring them.
    pub pkce_refused: bool,
    /// A used refresh token stays valid until it expires. A client that uses one configured token for days
    /// works.
    pub old_refresh_valid: bool,
    /// The status codes of the token endpoint's errors.
    pub token_errors: TokenErrors,
    /// The contents of the root's `meta`.
    pub root: RootMeta,
    /// The text of the 401 for an expired or revoked access token.
    pub expired_words: ExpiredWords,
    /// The answer to a `page[offset]` above 10,000.
    pub deep_offset: DeepOffset,
    /// The answer to an unreadable cursor, or to one of another list or order.
    pub broken_cursor: BrokenCursor,
    /// A `page[size]` outside 1 to 1,000 gets 422 instead of the nearest allowed size.
    pub page_size_refused: bool,
    /// The order of lists without `sort`.
    pub default_order: ListOrder,
    /// Text filters are case-sensitive, except those for e-mail addresses.
    pub filters_mind_case: bool,
    /// Unsupported filters are ignored instead of refused with 422.
    pub unknown_filters_ignored: bool,
    /// Changing an e-mail address or a phone number updates its prospect's `updatedAt`.
    pub parts_touch_prospect: bool,
    /// Lists contain trashed prospects, with `trashedAt`.
    pub trashed_listed: bool,
    /// Deleting a sequence deletes its states.
    pub sequence_delete_takes_states: bool,
    /// Deleting a prospect deletes their states. Otherwise the states stay, with the id of the prospect.
    pub prospect_delete_takes_states: bool,
    /// The answer to a write whose `type` or `id` doesn't match the path.
    pub mismatch: Mismatch,
    /// Unknown attributes of writes are ignored instead of refused with 422.
    pub unknown_attributes_ignored: bool,
    /// A new account is `named` by default.
    pub new_accounts_named: bool,
    /// Prospects can be added to an inactive sequence, as `pending`. Otherwise 422.
    pub disabled_sequences_take_prospects: bool,
    /// Failed states can be resumed, and paused ones finished.
    pub lenient_transitions: bool,
    /// New sequence templates are enabled.
    pub new_sequence_templates_enabled: bool,
    /// The `interval` of steps is in minutes instead of seconds.
    pub intervals_in_minutes: bool,
    /// The undocumented step types `linkedin_*` are accepted.
    pub linkedin_steps: bool,
    /// Lists are inexact, as observed: rows out of order within a page, rows above the upper bound of a filter
    /// by `updatedAt`, and changes that become visible after 30 seconds.
    pub jitter: bool,
    /// Pages larger than this get 502 if the list is longer as well.
    pub bad_gateway_above: Option<usize>,
    /// Ids are strings in answers.
    pub ids_as_text: bool,
    /// Prospects have no `contactHistogram`, not even before 2026-10-01, when it is removed.
    pub no_histogram: bool,
    /// The token endpoint refuses a refresh within 60 seconds of the user's last new tokens with 429.
    pub refresh_throttle: bool,
}

impl Default for OutreachSwitches {
    fn default() -> Self {
        Self {
            strict_content_type: false,
            pkce_refused: false,
            old_refresh_valid: true,
            token_errors: TokenErrors::Doorkeeper,
            root: RootMeta::Minimal,
            expired_words: ExpiredWords::Expired,
            deep_offset: DeepOffset::BadRequest,
            broken_cursor: BrokenCursor::BadRequest,
            page_size_refused: false,
            default_order: ListOrder::IdAscending,
            filters_mind_case: false,
            unknown_filters_ignored: false,
            parts_touch_prospect: true,
            trashed_listed: true,
            sequence_delete_takes_states: true,
            prospect_delete_takes_states: true,
            mismatch: Mismatch::Conflict,
            unknown_attributes_ignored: false,
            new_accounts_named: true,
            disabled_sequences_take_prospects: true,
            lenient_transitions: true,
            new_sequence_templates_enabled: true,
            intervals_in_minutes: false,
            linkedin_steps: true,
            jitter: false,
            bad_gateway_above: None,
            ids_as_text: false,
            no_histogram: false,
            refresh_throttle: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenErrors {
    /// 401 for a wrong client, 400 for everything else.
    Doorkeeper,
    /// 400 for all.
    BadRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootMeta {
    /// The user and the address of the organisation's instance.
    Minimal,
    /// The organisation and the application as well.
    Rich,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiredWords {
    /// `Expired JWT token.`
    Expired,
    /// The text for an undecodable token.
    Invalid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeepOffset {
    BadRequest,
    Unprocessable,
    EmptyPage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenCursor {
    BadRequest,
    FirstPage,
    ServerError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    IdAscending,
    UpdatedDescending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// 409
    Conflict,
    /// 422
    Unprocessable,
}
