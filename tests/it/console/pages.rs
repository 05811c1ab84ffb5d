//! What the pages show: the same as the API, to whoever may see it.

use macro_rules_attribute::apply;
use reqwest::{StatusCode, header};
use serde_json::json;
use syncline_model::Role;

use super::{Browser, enrichment};
use crate::{
    access::key,
    agents,
    support::{App, CUSTOMER, on_both_databases},
};

/// The addresses of every page, with an application that has something of everything.
async fn all_pages(app: &App) -> Vec<String> {
    let connection = format!("/console/customers/{CUSTOMER}/connections/apollo");
    let contact = app.all_records("contacts").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = app.newest_run(CUSTOMER, "contact").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let messages = app.get("/mgmt/v2/webhook_messages").await.ok();
    let message = messages["results"][0]["id"].as_str().unwrap();
    let agent = agents::agent(app, json!({"actions": {"contacts.create": "ask"}})).await;
    let input = json!({"email": "ada@engine.example"});
    let held = agents::call(app, &agent, "contacts.create", input).await;
    let approval = held.body["approval"]["id"].as_str().unwrap();
    let keys = app.get("/mgmt/v2/api_keys").await.ok();
    let agent = keys["results"][0]["id"].as_str().unwrap();
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let config = configs[0]["id"].as_str().unwrap();
    let list = json!({"people": [{"email": "nobody@nowhere.example"}]});
    let job = enrichment::job(app, list).await;
    [
        "/console".to_owned(),
        "/console/customers".to_owned(),
        format!("/console/customers/{CUSTOMER}"),
        connection.clone(),
        format!("{connection}/usage"),
        format!("{connection}/keys"),
        format!("{connection}/enrichment"),
        job,
        format!("{connection}/records/contact"),
        format!("{connection}/records/contact/{contact}"),
        "/console/syncs".to_owned(),
        "/console/runs".to_owned(),
        format!("/console/runs/{run}"),
        "/console/webhooks".to_owned(),
        "/console/webhooks/messages".to_owned(),
        format!("/console/webhooks/messages/{message}"),
        "/console/providers".to_owned(),
        "/console/destinations".to_owned(),
        format!("/console/sync-configs/{config}"),
        "/console/approvals".to_owned(),
        format!("/console/approvals/{approval}"),
        "/console/api-keys".to_owned(),
        format!("/console/api-keys/{agent}"),
        "/console/audit-log".to_owned(),
    ]
    .into()
}

/// Pages that take the role admin, like the API behind them.
const FOR_ADMINS: [&str; 2] = ["/console/api-keys", "/console/audit-log"];

#[apply(on_both_databases)]
async fn every_page_is_shown_to_an_admin_and_keeps_to_itself(database: Database) {
    let app = App::synced(database, 30).await;
    let browser = Browser::signed_in(&app).await;
    for path in all_pages(&app).await {
        let shown = browser.get(&path).await;
        let policy = shown.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(shown.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(shown.headers[header::REFERRER_POLICY], "same-origin");
        let html = shown.page();
        assert!(
            !html.contains("style=\"") && !html.contains("onclick"),
            "{path}"
        );
        assert!(html.contains("<main"), "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_read_only_key_sees_what_its_api_shows_and_is_offered_nothing_more(database: Database) {
    let app = App::synced(database, 30).await;
    let pages = all_pages(&app).await;
    let mut browser = Browser::at(&app);
    browser
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    for path in pages {
        let shown = browser.get(&path).await;
        if FOR_ADMINS.iter().any(|below| path.starts_with(below)) {
            assert_eq!(shown.status, StatusCode::FORBIDDEN, "{path}");
            assert!(
                shown.html.contains("that takes the role admin"),
                "{}",
                shown.html
            );
            continue;
        }
        let html = shown.page();
        for offered in FOR_ADMINS {
            assert!(!html.contains(offered), "{path} leads to {offered}");
        }
        // Signing out, and the forecast, which changes nothing.
        let forms = html.matches("method=\"post\"").count();
        let own = 1 + usize::from(path.contains("sync-configs"));
        assert_eq!(forms, own, "{path}: {html}");
        assert!(!html.contains("name=\"save\""), "{path}");
    }
}

#[apply(on_both_databases)]
async fn what_is_not_there_is_a_page_that_says_so(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::signed_in(&app).await;
    for path in [
        "/console/nothing",
        "/console/customers/nobody",
        "/console/customers/nobody/connections/apollo",
        "/console/customers/nobody/connections/apollo/enrichment",
        "/console/customers/nobody/connections/apollo/enrichment/none",
        "/console/runs/none",
        "/console/webhooks/messages/none",
        "/console/approvals/none",
        "/console/api-keys/none",
    ] {
        let shown = browser.get(path).await;
        assert_eq!(shown.status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            shown.html.contains("There is nothing here"),
            "{path}: {}",
            shown.html
        );
    }
}

#[apply(on_both_databases)]
async fn nothing_of_another_application_is_seen(database: Database) {
    let app = App::synced(database, 5).await;
    let pages = all_pages(&app).await;
    let enabled = crate::support::enabled();
    let other = app
        .store
        .find_or_create_application("other", &enabled)
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "other", "another-applications-key")
        .await
        .unwrap();
    let mut browser = Browser::at(&app);
    browser.sign_in("another-applications-key").await.redirect();
    for path in pages {
        let shown = browser.get(&path).await;
        assert!(!shown.html.contains("A customer"), "{path}: {}", shown.html);
        let of_one =
            path.contains(CUSTOMER) || path.matches('/').count() > 2 && !path.ends_with("messages");
        assert_eq!(shown.status == StatusCode::NOT_FOUND, of_one, "{path}");
    }
}

#[apply(on_both_databases)]
async fn names_are_text_wherever_they_stand(database: Database) {
    let app = App::synced(database, 5).await;
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&<!--/live-->";
    let customer = json!({"customer_id": CUSTOMER, "name": hostile, "email": hostile});
    app.put("/mgmt/v2/customers", customer).await.ok();
    let set = format!(
        "UPDATE engagement_contacts SET first_name = '{}'",
        hostile.replace('\'', "''")
    );
    app.database.execute(&set).await;
    let browser = Browser::signed_in(&app).await;
    for path in all_pages(&app).await {
        let html = browser.get(&path).await.page();
        // The page's own script is the only one.
        assert_eq!(html.matches("<script").count(), 1, "{path}");
        assert!(!html.contains("<img"), "{path}");
        let (begun, ended) = (
            html.matches(" data-live>").count(),
            html.matches("<!--/live-->").count(),
        );
        assert_eq!(begun, ended, "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_customer_is_found_by_a_part_of_its_name_and_by_its_health(database: Database) {
    let app = App::synced(database, 5).await;
    for (id, name) in [("c_1", "Café 100% Nord"), ("cx1", "Harbour")] {
        let customer = json!({"customer_id": id, "name": name, "email": "x@y.example"});
        app.put("/mgmt/v2/customers", customer).await.ok();
    }
    let browser = Browser::signed_in(&app).await;
    let found = async |query: &str| {
        browser
            .get(&format!("/console/customers?{query}"))
            .await
            .page()
    };
    let page = found("search=HARB").await;
    assert!(page.contains("Harbour") && !page.contains("Nord"), "{page}");
    // Signs of a pattern are text.
    let page = found("search=c_1").await;
    assert!(page.contains("Nord") && !page.contains("Harbour"), "{page}");
    let page = found("search=100%25").await;
    assert!(page.contains("Nord") && !page.contains("Harbour"), "{page}");
    let page = found("health=healthy").await;
    assert!(
        page.contains("A customer") && !page.contains("Harbour"),
        "{page}"
    );
    let page = found("health=failing").await;
    assert!(page.contains("No customer matches"), "{page}");
}
