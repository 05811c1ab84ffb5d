//! What the roles may do, operation by operation.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_model::Role;

use super::{anything, call, is_forbidden, key};
use crate::support::{App, Operation, on_both_databases, operations};

/// For admins only, also for reading: these paths return secrets, or create access to them.
const FOR_ADMINS: [&str; 4] = [
    "/api_keys",
    "/audit_log",
    "/magic_links",
    "/webhook_endpoints",
];

#[apply(on_both_databases)]
async fn a_read_only_key_reads_and_does_nothing_else(database: Database) {
    let app = App::synced(database, 5).await;
    let reader = key(&app, Role::ReadOnly, None).await;
    app.get_as(&reader, "/mgmt/v2/customers").await.ok();
    app.until_last_use_recorded(&reader).await;
    app.until_last_use_recorded(&app.api_key).await;
    app.apollo.ledger().reset();
    let before = app.database.dump(None).await;
    let (reads, others): (Vec<_>, Vec<_>) = operations().into_iter().partition(is_read);
    for operation in others {
        let path = operation.path(anything);
        let body = operation.body.as_ref();
        let answer = call(&app, &reader, &operation.method, &path, body).await;
        assert!(
            is_forbidden(&answer),
            "{} {path}: {}",
            operation.method,
            answer.body
        );
    }
    assert_eq!(app.apollo.ledger().len(), 0, "Apollo was asked nothing");
    assert_eq!(app.database.dump(None).await, before, "nothing was written");
    for operation in reads {
        let path = operation.path(anything);
        let body = operation.body.as_ref();
        let answer = call(&app, &reader, &operation.method, &path, body).await;
        assert!(
            !is_forbidden(&answer),
            "{} {path}: {}",
            operation.method,
            answer.body
        );
    }
}

#[apply(on_both_databases)]
async fn an_admin_key_may_do_everything(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let admin = key(&app, Role::Admin, None).await;
    for operation in operations() {
        let path = operation.path(anything);
        let body = operation.body.as_ref();
        let answer = call(&app, &admin, &operation.method, &path, body).await;
        assert!(
            !is_forbidden(&answer),
            "{} {path}: {}",
            operation.method,
            answer.body
        );
    }
}

#[apply(on_both_databases)]
async fn a_passthrough_key_sends_what_costs_nothing(database: Database) {
    let app = App::synced(database, 5).await;
    let passing = key(&app, Role::Passthrough, None).await;
    app.apollo.ledger().reset();
    let search = json!({"method": "POST", "path": "/api/v1/contacts/search", "body": {}});
    let path = "/actions/v2/passthrough";
    let answer = call(&app, &passing, &Method::POST, path, Some(&search))
        .await
        .ok();
    assert_eq!(answer["status"], 200);
    let proxied = "/actions/v2/proxy/api/v1/users/search";
    call(&app, &passing, &Method::GET, proxied, None).await.ok();
    assert_eq!(app.apollo.ledger().len(), 2);
    for operation in operations() {
        if is_read(&operation) || operation.is_of("actions") {
            continue;
        }
        let path = operation.path(anything);
        let body = operation.body.as_ref();
        let answer = call(&app, &passing, &operation.method, &path, body).await;
        assert!(
            is_forbidden(&answer),
            "{} {path}: {}",
            operation.method,
            answer.body
        );
    }
    assert_eq!(
        app.apollo.ledger().len(),
        2,
        "Apollo was asked nothing else"
    );
}

#[apply(on_both_databases)]
async fn a_refusal_says_what_is_missing(database: Database) {
    let app = App::synced(database, 5).await;
    let reader = key(&app, Role::ReadOnly, None).await;
    let said = async |method: &Method, path: &str| {
        let answer = call(&app, &reader, method, path, None).await;
        crate::http::refused(&answer, 403, "FORBIDDEN_ERROR")
    };
    let write = said(&Method::POST, "/engagement/v2/contacts").await;
    assert_eq!(
        write,
        "this API key has the role read-only and may not POST \
            /engagement/v2/contacts: that takes a policy with a rule for it in \"writes\", or the \
            role admin"
    );
    let keys = said(&Method::GET, "/mgmt/v2/api_keys").await;
    assert!(keys.ends_with("that takes the role admin"), "{keys}");
    let credits = said(&Method::GET, "/enrichment/v2/persons?email=a@b.example").await;
    assert!(credits.contains("\"credits\": true"), "{credits}");
    let sent = said(&Method::GET, "/actions/v2/proxy/api/v1/users").await;
    assert!(sent.contains("a rule in \"passthrough\""), "{sent}");
}

/// What any valid key may do.
fn is_read(operation: &Operation) -> bool {
    let path = &operation.template;
    let only_reads = path.ends_with("/_search") || path.ends_with("/_forecast");
    let searches = operation.method == Method::POST && only_reads;
    let of_catalogue = operation.id == "getActions";
    let of_jobs = operation.is_of("enrichment") && path.contains("/v2/jobs");
    let of_readable = ["mgmt", "engagement", "scim"];
    (operation.method == Method::GET || searches)
        && (of_catalogue || of_jobs || of_readable.iter().any(|api| operation.is_of(api)))
        && !FOR_ADMINS.iter().any(|part| path.contains(part))
}
