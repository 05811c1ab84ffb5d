//! The controller and action under which Apollo counts a request, regardless of ids in its path.
//!
//! Apollo's routes are those of Rails: a collection, an optional id, and an optional action.
//! Callers can make up any number of them, and each counted one takes space in the account's
//! budget, so whatever is not in Apollo's reference is counted under one name.

use percent_encoding::percent_decode_str;

use crate::http::Method;

const BASES: [&str; 2] = ["api/v1/", "v1/"];

/// The name for unknown ones.
const OTHER: &str = "other";

const CONTROLLERS: [&str; 40] = [
    "account_stages",
    "accounts",
    "activities",
    "analytics",
    "auth",
    "calls",
    "contact_stages",
    "contacts",
    "conversations",
    "custom_fields",
    "deals",
    "email_accounts",
    "emailer_campaigns",
    "emailer_messages",
    "emailer_schedules",
    "emailer_steps",
    "emailer_templates",
    "emailer_touches",
    "fields",
    "labels",
    "lists",
    "mixed_companies",
    "mixed_people",
    "news_articles",
    "notes",
    "opportunities",
    "opportunity_stages",
    "organizations",
    "people",
    "phone_calls",
    "reports",
    "stages",
    "tasks",
    "teams",
    "typed_custom_fields",
    "usage_stats",
    "users",
    "webhooks",
    "workflows",
    "organization_job_postings",
];

/// Actions besides those of [`of_one`] and of collections.
const ACTIONS: [&str; 42] = [
    "abort",
    "activate",
    "activities",
    "add_contact_ids",
    "add_to_sequence",
    "api_profile",
    "api_search",
    "api_usage_stats",
    "approve",
    "archive",
    "bulk_complete",
    "bulk_create",
    "bulk_delete",
    "bulk_enrich",
    "bulk_match",
    "bulk_skip",
    "bulk_update",
    "complete",
    "complete_organization_info",
    "create",
    "deactivate",
    "destroy",
    "enrich",
    "health",
    "index",
    "job_postings",
    "match",
    "me",
    "merge",
    "notes",
    "remove_contact_ids",
    "remove_or_stop_contact_ids",
    "search",
    "send_now",
    "show",
    "skip",
    "stats",
    "unarchive",
    "update",
    "update_owners",
    "update_stages",
    "upsert",
];

/// `contacts/search`, `contacts/show`, `emailer_campaigns/add_contact_ids`, …
pub(super) fn of(method: &Method, path: &str) -> String {
    let path = path.trim_matches('/');
    let path = BASES
        .iter()
        .find_map(|base| path.strip_prefix(base))
        .unwrap_or(path);
    // Apollo decodes the path, so an escaped action is the same action.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let controller = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let named: Vec<&str> = rest.iter().copied().filter(|part| !is_id(part)).collect();
    let action = match (named.as_slice(), rest.is_empty()) {
        ([], true) if method == Method::POST => "create".to_owned(),
        ([], true) => "index".to_owned(),
        ([], false) => of_one(method).to_owned(),
        (named, _) => named.join("/"),
    };
    if !CONTROLLERS.contains(&controller) {
        return OTHER.to_owned();
    }
    let action = Some(action.as_str()).filter(|action| ACTIONS.contains(action));
    format!("{controller}/{}", action.unwrap_or(OTHER))
}

fn of_one(method: &Method) -> &'static str {
    match *method {
        Method::PATCH | Method::PUT => "update",
        Method::DELETE => "destroy",
        _ => "show",
    }
}

/// Whether it is an id: 24 hex digits, or anything else with a digit, since no action has one.
pub(super) fn is_id(part: &str) -> bool {
    let hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (part.len() == 24 && hex) || part.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_the_path_make_no_action_of_their_own() {
        const ID: &str = "6a0af22c859e90001829c2dd";
        for (method, path, action) in [
            (
                Method::POST,
                "api/v1/contacts/search".to_owned(),
                "contacts/search",
            ),
            (
                Method::POST,
                "api/v1/contacts".to_owned(),
                "contacts/create",
            ),
            (
                Method::GET,
                format!("api/v1/contacts/{ID}"),
                "contacts/show",
            ),
            (
                Method::PATCH,
                format!("v1/contacts/{ID}"),
                "contacts/update",
            ),
            (
                Method::DELETE,
                format!("/api/v1/contacts/{ID}"),
                "contacts/destroy",
            ),
            (
                Method::GET,
                "api/v1/email_accounts".to_owned(),
                "email_accounts/index",
            ),
            (
                Method::POST,
                format!("api/v1/emailer_campaigns/{ID}/add_contact_ids"),
                "emailer_campaigns/add_contact_ids",
            ),
            (
                Method::POST,
                "api/v1/contacts/%73earch".to_owned(),
                "contacts/search",
            ),
            (
                Method::GET,
                "api/v1/users/search/".to_owned(),
                "users/search",
            ),
        ] {
            assert_eq!(of(&method, &path), action, "{method} {path}");
        }
    }

    #[test]
    fn what_callers_invent_counts_under_one_name() {
        for path in [
            "a/b",
            "api/v1/invented",
            "zzz/search",
            "",
            "api/v1/CONTACTS/search",
        ] {
            assert_eq!(of(&Method::GET, path), "other", "{path}");
        }
        for path in [
            "contacts/invented",
            "api/v1/contacts/search/more",
            "v1/contacts/search.json",
        ] {
            assert_eq!(of(&Method::GET, path), "contacts/other", "{path}");
        }
    }
}
