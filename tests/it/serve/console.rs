//! The console of a real `serve`: switched off, behind a path, and at a shutdown.

use macro_rules_attribute::apply;
use reqwest::{Client, StatusCode, header, redirect};

use crate::support::{API_KEY, Database, Process, on_both_databases, syncline};

fn browser() -> Client {
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none());
    client.build().unwrap()
}

/// Signs in; the cookie.
async fn sign_in(process: &Process) -> String {
    let request = browser().post(format!("{}/console/sign-in", process.base));
    let form = serde_urlencoded::to_string([("api_key", API_KEY)]).unwrap();
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = request.body(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn started(database: &Database, settings: &[(&str, &str)]) -> Process {
    let mut command = syncline();
    command.env("SYNCLINE_API_KEY", API_KEY);
    command.args(["--database-url", &database.url]);
    command.envs(settings.iter().copied());
    Process::start(&mut command, database, "http://127.0.0.1:9").await
}

#[apply(on_both_databases)]
async fn a_console_that_is_switched_off_is_not_there(database: Database) {
    let process = started(&database, &[("SYNCLINE_CONSOLE__ENABLED", "false")]).await;
    let status = async |path: &str| {
        let answer = browser()
            .get(format!("{}{path}", process.base))
            .send()
            .await;
        let answer = answer.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(status("/console").await.0, StatusCode::NOT_FOUND);
    let (_, page) = status("/connect/nothing").await;
    assert!(page.contains("This link is not known"), "{page}");
}

#[apply(on_both_databases)]
async fn behind_a_proxy_that_adds_a_path_links_and_redirects_have_it(database: Database) {
    let settings = [("SYNCLINE_PUBLIC_URL", "http://tools.example/sync")];
    let process = started(&database, &settings).await;
    let asked = browser().get(format!("{}/console/runs", process.base));
    let answer = asked.send().await.unwrap();
    let to = answer.headers()[header::LOCATION].to_str().unwrap();
    assert_eq!(to, "/sync/console/sign-in?to=%2Fconsole%2Fruns");
    let cookie = sign_in(&process).await;
    let asked = browser().get(format!("{}/console", process.base));
    let page = asked.header(header::COOKIE, cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    for link in page.split("href=\"").skip(1) {
        let ours = ["/sync/", "#", "data:"]
            .iter()
            .any(|begin| link.starts_with(begin));
        assert!(ours, "{}", &link[..40]);
    }
}

#[apply(on_both_databases)]
async fn an_open_page_does_not_hold_a_shutdown_up(database: Database) {
    let mut process = started(&database, &[]).await;
    let cookie = sign_in(&process).await;
    let request = browser().get(format!("{}/console", process.base));
    let request = request.header(header::COOKIE, cookie);
    let stream = request
        .header(header::ACCEPT, "text/event-stream")
        .send()
        .await;
    let mut stream = stream.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(process.terminate().await, Some(0));
    // It ended as a whole answer, and was not cut off.
    while stream.chunk().await.unwrap().is_some() {}
}
