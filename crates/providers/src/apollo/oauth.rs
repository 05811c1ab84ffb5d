//! How customers let a partner of Apollo into their Apollo. Apollo gives OAuth applications to partners
//! alone; everybody else connects by API key.

use chrono::TimeDelta;

use crate::oauth::{Rules, TokenBody};

/// Every refresh returns another refresh token. Proof keys are documented for Apollo's MCP server only.
pub(super) static RULES: Rules = Rules {
    authorize_url: "https://app.apollo.io/#/oauth/authorize",
    token_url: "https://app.apollo.io/api/v1/oauth/token",
    body: TokenBody::Form,
    takes_proof_key: false,
    names_scopes: true,
    scopes: SCOPES,
    access_token_life: TimeDelta::days(30),
    refresh_token_life: None,
};

/// Those whose names are published. An application that has more of them sets its own.
const SCOPES: &[&str] = &[
    "account_read",
    "accounts_search",
    "api_usage_stats_read",
    "contact_read",
    "contact_update",
    "contact_write",
    "contacts_search",
    "custom_fields_list",
    "email_accounts_list",
    "emailer_campaigns_add_contact_ids",
    "emailer_campaigns_remove_or_stop_contact_ids",
    "emailer_campaigns_search",
    "read_user_profile",
    "tags_list",
    "tasks_create",
    "tasks_list",
    "users_list",
];
