//! Audit log entries for what commands change.

use syncline_model::{AuditResult, Time};
use syncline_store::{Actor, AuditEntry};

/// An entry for what a command did; `message` describes it in one line.
pub(crate) fn by_command(
    application_id: String,
    at: Time,
    action: &str,
    message: &str,
) -> AuditEntry {
    AuditEntry {
        application_id,
        at,
        actor: Actor::Cli,
        action: action.to_owned(),
        method: None,
        route: None,
        customer_id: None,
        connection_id: None,
        provider_name: None,
        provider_request: None,
        result: AuditResult::Ok,
        status: None,
        request_id: None,
        message: message.to_owned(),
    }
}
