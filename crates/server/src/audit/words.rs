//! Describes what was done, as an action name and as one line, from the method and the route alone,
//! so a new endpoint gets its action name by itself.

use axum::http::{Method, StatusCode};
use syncline_model::{ApiKey, AuditResult, Role, line};

use crate::{
    access::posts_only_read,
    call::{CallApproval, CallContext, CalledAction},
};

/// What a request does.
pub(super) struct AuditedRequest {
    api: Api,
    /// Such as `connection`.
    object: String,
    verb: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Api {
    Management,
    Engagement,
    Enrichment,
    Actions,
}

impl AuditedRequest {
    /// `route` is the matched one, such as `/mgmt/v2/customers/{customer_id}/connections`.
    pub(super) fn of(method: &Method, route: &str) -> Self {
        let mut segments = route.split('/').filter(|it| !it.is_empty());
        let api = match segments.next() {
            Some("mgmt") => Api::Management,
            // SCIM reads the same rows.
            Some("engagement" | "scim") => Api::Engagement,
            Some("enrichment") => Api::Enrichment,
            _ => Api::Actions,
        };
        let segments: Vec<&str> = segments.skip(1).collect();
        let last = segments.last().copied().unwrap_or_default();
        let object = segments.iter().rfind(|it| !it.starts_with(['{', '_']));
        let object = singular(&object.copied().unwrap_or_default().to_ascii_lowercase());
        let verb = match last.strip_prefix('_') {
            Some(verb) => verb,
            None if api == Api::Actions => "send",
            None if api == Api::Enrichment => "enrich",
            None => match *method {
                Method::POST => "create",
                Method::PUT if last.starts_with('{') => "update",
                Method::PUT => "upsert",
                Method::PATCH => "update",
                Method::DELETE => "delete",
                _ => "read",
            },
        };
        Self {
            api,
            object,
            verb: verb.to_owned(),
        }
    }

    /// Such as `connection.create`.
    pub(super) fn action(&self) -> String {
        format!("{}.{}", self.object, self.verb)
    }

    pub(super) fn is_management(&self) -> bool {
        self.api == Api::Management
    }

    /// Whether it is recorded even if it was not denied.
    pub(super) fn counts(&self, method: &Method) -> bool {
        match self.api {
            // The catalogue is not a use of a connection.
            Api::Actions if self.object == "action" => *method == Method::POST,
            Api::Actions | Api::Enrichment => true,
            Api::Management | Api::Engagement => {
                let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
                !reads && !posts_only_read(&format!("/_{}", self.verb))
            }
        }
    }

    /// One line that is understandable without the other fields.
    pub(super) fn message(
        &self,
        key: &ApiKey,
        call: &CallContext,
        result: AuditResult,
        status: StatusCode,
        reason: Option<&str>,
    ) -> String {
        let who = who(key);
        if let Some(action) = call.action() {
            return action_message(&who, action, call, result, status, reason);
        }
        let (does, did) = self.verbs();
        let object = self.object.replace('_', " ");
        let object = match (call.object(), call.provider_request()) {
            (Some(words), _) => line(words, QUOTED),
            (None, Some(request)) => one_line(request),
            (None, None) => format!("{} {object}", article(&object)),
        };
        let at = call.provider().map(|it| format!(" at {}", it.as_str()));
        let customer = call.customer_id().map(one_line);
        let of = customer.map(|customer| format!(" for customer \"{customer}\""));
        let what = [object, at.unwrap_or_default(), of.unwrap_or_default()].concat();
        let why = because(reason);
        let status = status.as_u16();
        match result {
            AuditResult::Ok => format!("{who} {did} {what} ({status})"),
            AuditResult::Denied => format!("{who} was refused to {does} {what} ({status}){why}"),
            AuditResult::Failed => format!("{who} failed to {does} {what} ({status}){why}"),
        }
    }

    /// The verb in the infinitive and in the past tense.
    fn verbs(&self) -> (String, String) {
        let (does, did) = match self.verb.as_str() {
            "create" => ("create", "created"),
            "upsert" => ("create or update", "created or updated"),
            "update" => ("update", "updated"),
            "delete" => ("delete", "deleted"),
            "read" => ("read", "read"),
            "send" => ("send", "sent"),
            "enrich" => ("enrich", "enriched"),
            "pause" => ("pause", "paused"),
            "resume" => ("resume", "resumed"),
            "trigger" => ("trigger", "triggered"),
            "approve" => ("approve", "approved"),
            "deny" => ("deny", "denied"),
            "complete" => ("complete", "completed"),
            other => {
                let other = other.replace('_', " ");
                return (format!("{other} on"), format!("did {other} on"));
            }
        };
        (does.to_owned(), did.to_owned())
    }
}

/// A key as sentences name it.
pub(crate) fn who(key: &ApiKey) -> String {
    let kind = match key.role {
        Role::Agent => "agent",
        _ => "API key",
    };
    format!("{kind} \"{}\"", one_line(&key.name))
}

/// The line for a call of an action: who, what, for which customer, and the decision.
fn action_message(
    who: &str,
    action: &CalledAction,
    call: &CallContext,
    result: AuditResult,
    status: StatusCode,
    reason: Option<&str>,
) -> String {
    let at = call.provider().map(|it| format!(" at {}", it.as_str()));
    let customer = call.customer_id().map(one_line);
    let of = customer.map(|customer| format!(" for customer \"{customer}\""));
    let what = [
        line(&action.words, QUOTED),
        at.unwrap_or_default(),
        of.unwrap_or_default(),
    ]
    .concat();
    let why = because(reason);
    let status = status.as_u16();
    match (result, call.approval()) {
        (
            AuditResult::Ok,
            Some(CallApproval {
                id,
                status: "pending",
            }),
        ) => {
            format!("{who} asked to {what} ({status}): approval {id} is needed")
        }
        (AuditResult::Ok, Some(CallApproval { id, status: became })) => {
            format!(
                "{who} asked what became of its call to {what} ({status}): approval {id} is {became}"
            )
        }
        (AuditResult::Ok, None) => format!("{who} was allowed to {what} ({status})"),
        (AuditResult::Denied, _) => format!("{who} was refused to {what} ({status}){why}"),
        (AuditResult::Failed, _) => {
            format!("{who} was allowed to {what}, which failed ({status}){why}")
        }
    }
}

fn singular(plural: &str) -> String {
    let word = plural.replace('-', "_");
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(&word).to_owned(),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// The end of a sentence.
fn because(reason: Option<&str>) -> String {
    let why = reason.map(|reason| format!(": {}", one_line(reason)));
    why.unwrap_or_default()
}

/// The longest quoted text that others wrote, in bytes.
const QUOTED: usize = 300;

/// A part of a sentence that others wrote. Quotes in it would end its quotation, or begin one.
pub(crate) fn one_line(text: &str) -> String {
    line(text, QUOTED).replace('"', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_route_has_its_word() {
        for (method, route, action) in [
            (Method::PUT, "/mgmt/v2/customers", "customer.upsert"),
            (
                Method::DELETE,
                "/mgmt/v2/customers/{customer_id}",
                "customer.delete",
            ),
            (
                Method::POST,
                "/mgmt/v2/customers/{customer_id}/connections",
                "connection.create",
            ),
            (
                Method::PUT,
                "/mgmt/v2/sync_configs/{id}",
                "sync_config.update",
            ),
            (Method::POST, "/mgmt/v2/syncs/_pause", "sync.pause"),
            (
                Method::POST,
                "/mgmt/v2/sync-runs/{run_id}/_apply_deletes",
                "sync_run.apply_deletes",
            ),
            (Method::GET, "/mgmt/v2/customers", "customer.read"),
            (
                Method::PATCH,
                "/engagement/v2/contacts/{id}",
                "contact.update",
            ),
            (
                Method::POST,
                "/engagement/v2/contacts/_search",
                "contact.search",
            ),
            (Method::GET, "/scim/v2/Users", "user.read"),
            (Method::GET, "/enrichment/v2/persons", "person.enrich"),
            (
                Method::GET,
                "/enrichment/v2/organizations",
                "organization.enrich",
            ),
            (Method::POST, "/actions/v2/passthrough", "passthrough.send"),
            (Method::GET, "/actions/v2/proxy/{*path}", "proxy.send"),
        ] {
            assert_eq!(
                AuditedRequest::of(&method, route).action(),
                action,
                "{method} {route}"
            );
        }
    }
}
