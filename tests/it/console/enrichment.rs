//! Enrichment jobs on pages: what the API tells of them, and the same file.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use syncline_model::Role;
use syncline_sim::{Action, Fault, Match};

use super::{Browser, keys::CONNECTION, live::Events, shown};
use crate::{
    access::key,
    support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases},
};

const JOBS: &str = "/enrichment/v2/jobs";

/// An Apollo that knows this many people of Heron Foods, whose team can pay for all of them.
async fn with_people(database: Database, count: usize) -> App {
    let app = App::with_contacts(database, 3).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        team.set_credits(1_000_000);
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(now, &account).unwrap();
        for n in 0..count {
            let contact = json!({
                "first_name": format!("Ines{n}"), "last_name": "Heron",
                "email": format!("person{n}@heron.example"), "account_id": account,
            });
            team.create_contact(now, &contact).unwrap();
        }
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

fn people(count: usize) -> Vec<Value> {
    let person = |n| json!({"email": format!("person{n}@heron.example"), "ref": format!("r{n}")});
    (0..count).map(person).collect()
}

/// Makes a job and works on it; its page.
pub(super) async fn job(app: &App, list: Value) -> String {
    let job = app.post(JOBS, list).await.ok();
    app.enrich().await;
    page_of(&job)
}

fn page_of(job: &Value) -> String {
    format!("{CONNECTION}/enrichment/{}", job["id"].as_str().unwrap())
}

#[apply(on_both_databases)]
async fn a_job_is_shown_with_its_results_page_by_page(database: Database) {
    let app = with_people(database, 130).await;
    let path = job(&app, json!({"people": people(130), "max_credits": 500})).await;
    let browser = Browser::signed_in(&app).await;
    for list in [CONNECTION.to_owned(), format!("{CONNECTION}/enrichment")] {
        let page = browser.get(&list).await.page();
        assert!(page.contains(">130 people</a>"), "{page}");
        assert!(page.contains("succeeded</span>"), "{page}");
        assert!(
            page.contains(r#"<progress max="130" value="130" aria-label="Entries done">"#),
            "{page}"
        );
    }
    let page = browser.get(&path).await.page();
    assert!(
        page.contains("<dt>Credits spent</dt><dd>130</dd>"),
        "{page}"
    );
    assert!(page.contains("<dt>Most credits</dt><dd>500</dd>"), "{page}");
    assert!(
        page.contains("<td>r99</td>") && !page.contains("<td>r100</td>"),
        "{page}"
    );
    assert!(page.contains("Heron Foods"), "{page}");
    assert!(
        !page.contains("value=\"continue\""),
        "nothing is left: {page}"
    );
    let next = page.split("<a href=\"?cursor=").nth(1).unwrap();
    let next = format!("{path}?cursor={}", next.split('"').next().unwrap());
    let page = browser.get(&next).await.page();
    assert!(
        page.contains("<td>r100</td>") && page.contains("<td>r129</td>"),
        "{page}"
    );
    assert!(page.contains("← First"), "{page}");
}

#[apply(on_both_databases)]
async fn the_file_is_the_one_that_the_api_sends(database: Database) {
    let app = with_people(database, 620).await;
    let path = job(&app, json!({"people": people(620)})).await;
    let id = path.rsplit('/').next().unwrap();
    let of_api = app
        .request(Method::GET, &format!("{JOBS}/{id}/results?format=csv"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo");
    let of_api = shown(of_api).await;
    let mut reader = Browser::at(&app);
    reader
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    let file = reader.get(&format!("{path}/results.csv")).await;
    for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION] {
        assert_eq!(file.headers[&name], of_api.headers[&name]);
    }
    assert_eq!(file.headers[header::CACHE_CONTROL], "no-store");
    let file = file.page();
    assert_eq!(file.lines().count(), 621);
    assert_eq!(file, of_api.page());

    let unknown = format!("{CONNECTION}/enrichment/none/results.csv");
    let unknown = reader.get(&unknown).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(
        unknown.html.contains("There is nothing here"),
        "{}",
        unknown.html
    );
    let stranger = Browser::at(&app).get(&format!("{path}/results.csv")).await;
    assert!(stranger.redirect().starts_with("/console/sign-in"));
}

#[apply(on_both_databases)]
async fn a_job_is_cancelled_and_continued(database: Database) {
    let app = with_people(database, 30).await;
    let made = app
        .post(JOBS, json!({"people": people(30), "max_credits": 12}))
        .await
        .ok();
    let path = page_of(&made);
    let browser = Browser::signed_in(&app).await;
    let page = browser.get(&path).await.page();
    assert!(
        page.contains("value=\"cancel\"") && !page.contains("value=\"continue\""),
        "{page}"
    );
    let cancelled = browser.post(&path, &[("action", "cancel")]).await;
    let page = browser.get(cancelled.redirect()).await.page();
    assert!(page.contains("The job is cancelled."), "{page}");
    assert!(
        page.contains("value=\"continue\"") && !page.contains("value=\"cancel\""),
        "{page}"
    );
    let again = browser.post(&path, &[("action", "cancel")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(
        again.html.contains("this job is cancelled already"),
        "{}",
        again.html
    );

    let wrong = [
        ("action", "continue"),
        ("max_credits", "many"),
        ("retry_uncertain", "yes"),
    ];
    let wrong = browser.post(&path, &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("max_credits") && wrong.html.contains("value=\"many\""));
    assert!(
        wrong.html.contains("value=\"yes\" checked"),
        "{}",
        wrong.html
    );
    assert!(
        !wrong.html.contains("id=\"actions\" data-live"),
        "{}",
        wrong.html
    );

    let more = browser
        .post(&path, &[("action", "continue"), ("max_credits", "12")])
        .await;
    app.enrich().await;
    let page = browser.get(more.redirect()).await.page();
    assert!(page.contains("The job goes on."), "{page}");
    assert!(
        page.contains("failed</span>") && page.contains("class=\"error\""),
        "{page}"
    );
    assert!(page.contains("<dt>Most credits</dt><dd>12</dd>"), "{page}");

    // Without a number there is no limit.
    let rest = browser
        .post(&path, &[("action", "continue"), ("max_credits", "")])
        .await;
    app.enrich().await;
    let page = browser.get(rest.redirect()).await.page();
    assert!(page.contains("succeeded</span>"), "{page}");
    assert!(
        page.contains("<dt>Most credits</dt><dd>no limit</dd>"),
        "{page}"
    );
    let nothing = browser.post(&path, &[("action", "continue")]).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        nothing.html.contains("nothing left to ask about"),
        "{}",
        nothing.html
    );
}

#[apply(on_both_databases)]
async fn what_is_uncertain_is_asked_again_only_if_that_is_ticked(database: Database) {
    let app = with_people(database, 4).await;
    let lost = Fault::new(Match::path("bulk_match"), Action::AppliedThenServerError);
    app.apollo.faults().push(lost);
    let path = job(&app, json!({"people": people(4)})).await;
    let browser = Browser::signed_in(&app).await;
    let page = browser.get(&path).await.page();
    if page.contains("waiting</span>") {
        app.clock.advance(TimeDelta::minutes(1));
        app.enrich().await;
    }
    let page = browser.get(&path).await.page();
    assert!(page.contains("<dt>Uncertain</dt><dd>4</dd>"), "{page}");
    assert!(page.contains("they may have been paid for"), "{page}");
    let again = [("action", "continue"), ("max_credits", "")];
    let nothing = browser.post(&path, &again).await;
    assert!(
        nothing.html.contains("nothing left to ask about"),
        "{}",
        nothing.html
    );
    let again = [again[0], again[1], ("retry_uncertain", "yes")];
    let again = browser.post(&path, &again).await;
    app.enrich().await;
    let page = browser.get(again.redirect()).await.page();
    assert!(page.contains("<dt>Matched</dt><dd>4</dd>"), "{page}");
}

#[apply(on_both_databases)]
async fn a_list_is_pasted_and_becomes_a_job(database: Database) {
    let app = with_people(database, 2).await;
    let browser = Browser::signed_in(&app).await;
    let list = format!("{CONNECTION}/enrichment");
    let wrong = [
        ("csv", "name\r\n<b>Ines</b>"),
        ("kind", "companies"),
        ("max_credits", ""),
    ];
    let wrong = browser.post(&list, &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("role=\"alert\""), "{}", wrong.html);
    assert!(wrong.html.contains("&#60;b&#62;Ines"), "{}", wrong.html);
    let csv = "Email,team\r\nperson0@heron.example,\"a, b\"\r\nperson1@heron.example,c\r\n";
    let form = [("csv", csv), ("kind", "people"), ("max_credits", "5")];
    let made = browser.post(&list, &form).await;
    app.enrich().await;
    let page = browser.get(made.redirect()).await.page();
    assert!(page.contains("The list is taken."), "{page}");
    assert!(page.contains("Enrichment of 2 people"), "{page}");
    assert!(page.contains("<dt>Matched</dt><dd>2</dd>"), "{page}");
    let path = made.redirect().split('?').next().unwrap();
    let file = browser.get(&format!("{path}/results.csv")).await.page();
    assert!(file.starts_with("Email,team,enriched_status"), "{file}");
    assert!(
        file.contains("person0@heron.example,\"a, b\",matched"),
        "{file}"
    );
}

#[apply(on_both_databases)]
async fn a_key_that_may_spend_nothing_only_sees_jobs(database: Database) {
    let app = with_people(database, 3).await;
    let made = app.post(JOBS, json!({"people": people(3)})).await.ok();
    let path = page_of(&made);
    let mut reader = Browser::at(&app);
    reader
        .sign_in(&key(&app, Role::ReadOnly, None).await)
        .await
        .redirect();
    let page = reader.get(&path).await.page();
    assert!(
        page.contains("person0@heron.example") && !page.contains("Cancel"),
        "{page}"
    );
    let list = format!("{CONNECTION}/enrichment");
    let page = reader.get(&list).await.page();
    assert!(!page.contains("Enrich a list"), "{page}");
    for (path, form) in [
        (&path, vec![("action", "cancel")]),
        (&path, vec![("action", "continue")]),
        (
            &list,
            vec![("csv", "email\r\nx@y.example"), ("kind", "people")],
        ),
    ] {
        let refused = reader.post(path, &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{form:?}");
    }
    let jobs = app.get(JOBS).await.ok();
    assert_eq!(
        (&jobs["total_count"], &jobs["results"][0]["state"]),
        (&json!(1), &json!("queued"))
    );
}

#[apply(on_both_databases)]
async fn a_job_moves_on_its_page_without_a_reload(database: Database) {
    let app = with_people(database, 5).await;
    let made = app.post(JOBS, json!({"people": people(5)})).await.ok();
    let browser = Browser::signed_in(&app).await;
    let mut events = Events::of(&browser, &page_of(&made)).await;
    events.until("job", "value=\"0\"").await;
    events.until("actions", "Cancel").await;
    app.enrich().await;
    events.until("job", "value=\"5\"").await;
    events.until("results", "Heron Foods").await;
}
