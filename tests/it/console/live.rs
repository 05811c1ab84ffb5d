//! Pages that move by themselves: a page's address, asked for as an event stream.

use std::time::Duration;

use macro_rules_attribute::apply;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Browser;
use crate::support::{App, CUSTOMER, on_both_databases};

/// More than the longest time between two events or comments.
const PATIENCE: Duration = Duration::from_mins(1);

/// A stream of events, as a browser reads it.
pub(super) struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub(super) async fn of(browser: &Browser, path: &str) -> Self {
        let request = browser.request(Method::GET, path);
        let response = request
            .header(header::ACCEPT, "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/event-stream"
        );
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next event's name and data; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let Some((name, data)) = event.split_once('\n') else {
                    continue;
                };
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                let data = data.strip_prefix("data: ").unwrap();
                return Some((name, serde_json::from_str(data).unwrap()));
            }
            let more = timeout(PATIENCE, self.response.chunk()).await;
            let more = more.expect("the stream says nothing any more").unwrap()?;
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }

    /// Waits for a part that contains this.
    pub(super) async fn until(&mut self, id: &str, text: &str) {
        while let Some((name, data)) = self.next().await {
            let html = data["html"].as_str().unwrap_or_default();
            if name == "part" && data["id"] == id && html.contains(text) {
                return;
            }
        }
        panic!("the stream ended before {id} said {text}");
    }
}

#[apply(on_both_databases)]
async fn a_sync_moves_on_the_page_without_a_reload(database: Database) {
    let app = App::synced(database, 30).await;
    let browser = Browser::signed_in(&app).await;
    let path = format!("/console/customers/{CUSTOMER}/connections/apollo");
    let mut events = Events::of(&browser, &path).await;
    events.until("syncs", "idle").await;
    app.trigger("contact").await;
    events.until("syncs", "it was triggered").await;
    app.work_off().await;
    let run = app.newest_run(CUSTOMER, "contact").await;
    events.until("runs", run["id"].as_str().unwrap()).await;
}

#[apply(on_both_databases)]
async fn a_stream_ends_with_its_session(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::signed_in(&app).await;
    let mut events = Events::of(&browser, "/console").await;
    events.until("health", "healthy").await;
    browser.post("/console/sign-out", &[]).await.redirect();
    loop {
        match events.next().await.expect("the stream says why it ends") {
            (name, _) if name == "part" => {}
            (name, data) => {
                assert_eq!((&*name, data), ("gone", json!({})));
                break;
            }
        }
    }
    assert_eq!(events.next().await, None);
}

#[apply(on_both_databases)]
async fn nobody_streams_without_signing_in(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let browser = Browser::at(&app);
    let mut events = Events::of(&browser, "/console").await;
    assert_eq!(events.next().await.unwrap().0, "gone");
}
