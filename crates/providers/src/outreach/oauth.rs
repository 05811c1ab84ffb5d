//! How customers let Syncline into their Outreach.

use chrono::TimeDelta;

use crate::oauth::{Rules, TokenBody};

/// Every refresh returns another refresh token. Proof keys are not documented.
pub(super) static RULES: Rules = Rules {
    authorize_url: "https://api.outreach.io/oauth/authorize",
    token_url: "https://api.outreach.io/oauth/token",
    body: TokenBody::Form,
    takes_proof_key: false,
    names_scopes: true,
    scopes: SCOPES,
    access_token_life: TimeDelta::seconds(7_200),
    refresh_token_life: Some(TimeDelta::days(14)),
};

/// Those of reading and of writing, since customers would have to consent again to more. `write`
/// doesn't include `read`.
const SCOPES: &[&str] = &[
    "accounts.read",
    "accounts.write",
    "emailAddresses.read",
    "emailAddresses.write",
    "mailboxes.read",
    "phoneNumbers.read",
    "phoneNumbers.write",
    "prospects.read",
    "prospects.write",
    "sequenceStates.delete",
    "sequenceStates.read",
    "sequenceStates.write",
    "sequenceSteps.read",
    "sequenceSteps.write",
    "sequenceTemplates.read",
    "sequenceTemplates.write",
    "sequences.read",
    "sequences.write",
    "tasks.read",
    "tasks.write",
    "templates.read",
    "templates.write",
    "users.read",
];
