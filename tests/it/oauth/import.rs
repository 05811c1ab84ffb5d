//! An authorization that was made elsewhere is imported by its refresh token.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::Clock;

use super::{SALESLOFT, at_both_providers, connections, run_of, token_requests};
use crate::support::on_both_databases;

/// Connected, it is synced like any other.
#[apply(at_both_providers)]
async fn an_imported_account_is_synced(provider: Provider, database: Database) {
    let app = provider.connected(database, 230).await;
    let connection = provider.connection(&app).await;
    assert_eq!(connection["status"], "healthy", "{connection}");
    assert_eq!(connection["provider_name"], provider.name);
    let none = json!({
        "records_per_object": null, "records_per_hour": null, "records_per_day": null,
    });
    assert_eq!(connection["limits"], none, "it has no record limits");
    app.work_off().await;
    for object in provider.objects {
        let run = run_of(&app, object).await;
        assert_eq!(run["status"], "SUCCESS", "{object}: {run}");
    }
    let run = run_of(&app, "contact").await;
    assert_eq!(run["num_records_synced"], 230, "{run}");
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    let page = app
        .get("/engagement/v2/contacts?read_from_cache=true&page_size=100")
        .await
        .ok();
    assert_eq!(page["records"].as_array().unwrap().len(), 100);
    app.after(TimeDelta::hours(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["records_updated"], &run["records_unchanged"]),
        (&json!(0), &json!(230)),
        "nothing is rewritten: {run}"
    );
}

/// The provider's own settings, as they are shown.
#[apply(on_both_databases)]
async fn the_secret_of_an_application_is_never_shown_and_kept_when_it_comes_back_empty(
    database: Database,
) {
    let app = SALESLOFT.enabled(database, 5).await;
    let providers = app.get("/mgmt/v2/providers").await.ok();
    let shown = providers
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == SALESLOFT.name)
        .unwrap()
        .clone();
    let (client_id, _) = SALESLOFT.client();
    assert_eq!(shown["auth_type"], "oauth2");
    assert_eq!(
        shown["config"]["oauth"]["credentials"],
        json!({"oauth_client_id": client_id, "oauth_client_secret": ""})
    );
    let path = format!("/mgmt/v2/providers/{}", shown["id"].as_str().unwrap());
    let mut body = SALESLOFT.enabling();
    body["config"] = shown["config"].clone();
    app.put(&path, body).await.ok();
    SALESLOFT.import(&app).await.ok();
}

#[apply(on_both_databases)]
async fn a_token_that_the_provider_rejects_stores_nothing(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let mut body = SALESLOFT.importing();
    body["refresh_token"] = json!("another-token");
    let answer = app.post(&connections(), body).await;
    let (status, code, _) = answer.error();
    assert_eq!((status, code), (422, "UNPROCESSABLE_ENTITY_ERROR"));
    assert!(!answer.body.to_string().contains("another-token"));
    assert_eq!(app.get(&connections()).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn a_wrong_secret_of_the_application_is_said_so_and_stores_nothing(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let providers = app.get("/mgmt/v2/providers").await.ok();
    let id = providers
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == SALESLOFT.name)
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut body = SALESLOFT.enabling();
    body["config"]["oauth"]["credentials"]["oauth_client_secret"] = json!("wrong-secret");
    app.put(&format!("/mgmt/v2/providers/{id}"), body)
        .await
        .ok();
    let answer = SALESLOFT.import(&app).await;
    let (status, code, title) = answer.error();
    assert_eq!((status, code), (409, "CONFLICT_ERROR"));
    assert!(title.contains("invalid_client"), "{title}");
    assert!(!answer.body.to_string().contains("wrong-secret"));
    assert_eq!(app.get(&connections()).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn a_body_that_does_not_fit_is_refused_by_field_before_the_provider_is_asked(
    database: Database,
) {
    let app = SALESLOFT.enabled(database, 5).await;
    let name = SALESLOFT.name;
    for (body, field) in [
        (json!({"provider_name": name}), "refresh_token"),
        (
            json!({"provider_name": name, "refresh_token": ""}),
            "refresh_token",
        ),
        (
            json!({"provider_name": name, "refresh_token": "a b"}),
            "refresh_token",
        ),
        (
            json!({"provider_name": name, "type": "api_key", "api_key": "k"}),
            "type",
        ),
        (
            json!({"provider_name": name, "type": "oauth2", "api_key": "k", "refresh_token": "r"}),
            "api_key",
        ),
    ] {
        let answer = app.post(&connections(), body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
    }
    assert_eq!(token_requests(&app), 0);
}

#[apply(on_both_databases)]
async fn an_object_that_the_provider_lacks_is_refused_by_name(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let mut found = configs.as_array().unwrap().iter();
    let mut config = found
        .find(|it| it["provider_name"] == SALESLOFT.name)
        .cloned()
        .unwrap();
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    config["config"]["common_objects"] = json!([{"object": "contact"}, {"object": "mailbox"}]);
    let answer = app.put(&path, config).await;
    let field = "config.common_objects[1].object";
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
    let answer = app
        .get("/engagement/v2/mailboxes?read_from_cache=true")
        .await;
    assert_eq!(
        answer.error(),
        (400, "BAD_REQUEST", "salesloft has no mailboxes")
    );
}

#[apply(on_both_databases)]
async fn settings_of_an_application_that_do_not_fit_are_refused_by_field(database: Database) {
    let app = SALESLOFT.enabled(database, 5).await;
    let providers = app.get("/mgmt/v2/providers").await.ok();
    let found = providers.as_array().unwrap().iter();
    let id = found
        .filter(|it| it["name"] == SALESLOFT.name)
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .next()
        .unwrap();
    let path = format!("/mgmt/v2/providers/{id}");
    let credentials = "/config/oauth/credentials";
    for (pointer, value, field) in [
        ("/config", json!(null), "config"),
        (
            "/config/use_managed_oauth",
            json!(true),
            "config.oauth.credentials",
        ),
        (credentials, json!(null), "config.oauth.credentials"),
        (
            "/config/oauth/credentials/oauth_client_id",
            json!(""),
            "config.oauth.credentials.oauth_client_id",
        ),
        (
            "/config/oauth/oauth_scopes",
            json!(["two words"]),
            "config.oauth.oauth_scopes",
        ),
    ] {
        let mut body = SALESLOFT.enabling();
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = app.put(&path, body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
    }
    // With another client, the stored secret doesn't fit.
    let mut body = SALESLOFT.enabling();
    body["config"]["oauth"]["credentials"] =
        json!({"oauth_client_id": "another", "oauth_client_secret": ""});
    let answer = app.put(&path, body).await;
    assert_eq!(
        answer.error(),
        (
            400,
            "VALIDATION_ERROR",
            "config.oauth.credentials.oauth_client_secret"
        )
    );
}

#[apply(on_both_databases)]
async fn new_tokens_resume_a_connection_that_lost_its_authorization(database: Database) {
    let app = SALESLOFT.connected(database, 20).await;
    app.work_off().await;
    app.apollo.edit(0, |team| team.revoke_tokens(None));
    app.after(TimeDelta::hours(3)).await;
    assert_eq!(SALESLOFT.connection(&app).await["status"], "unauthorized");
    let now = app.clock.now();
    let access = app.apollo.edit(0, |team| {
        let user = team.user_ids().swap_remove(0);
        team.grant_tokens(now, &user, None)
    });
    let path = format!("{}/{}", connections(), SALESLOFT.name);
    let body = json!({"type": "oauth2", "refresh_token": access.refresh});
    assert_eq!(app.put(&path, body).await.ok()["status"], "healthy");
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["status"], "SUCCESS", "{run}");
}
