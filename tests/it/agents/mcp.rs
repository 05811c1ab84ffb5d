//! `/mcp` of the real binary, as a client of any language sees it: who is let in, and what is written down.
//! tests/mcp/run talks to it with the official clients.

use futures::{StreamExt, stream::FuturesUnordered};
use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use syncline_sim::{RunningSimulator, Simulator};

use tokio::process::Command;

use crate::support::{
    API_KEY, Database, Process, http_client, on_both_databases, quiet_apollo, syncline,
};

struct Server {
    process: Process,
    /// Answers the process until it is dropped.
    _apollo: RunningSimulator,
    agent: String,
}

impl Server {
    async fn start(database: &Database) -> Self {
        Self::start_with(database, syncline()).await
    }

    async fn start_with(database: &Database, mut command: Command) -> Self {
        let apollo = Simulator::start(quiet_apollo(3)).await.unwrap();
        command
            .env("SYNCLINE_API_KEY", API_KEY)
            .args(["--database-url", &database.url]);
        let process = Process::start(&mut command, database, &apollo.base_url()).await;
        process.connect().await;
        let body = json!({"name": "of a test", "role": "agent", "grants": {
            "groups": {"deals": "read"}, "actions": {"contacts.create": "ask"}
        }});
        let created = process.post("/mgmt/v2/api_keys", &body).await;
        Self {
            process,
            _apollo: apollo,
            agent: created["api_key"].as_str().unwrap().to_owned(),
        }
    }

    fn request(&self, method: Method, key: &str) -> RequestBuilder {
        http_client()
            .request(method, format!("{}/mcp", self.process.base))
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::ACCEPT, "application/json, text/event-stream")
    }

    /// A call of the protocol, as clients before 2026-07-28 make it.
    fn rpc(&self, method: &str, params: &Value) -> RequestBuilder {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.request(Method::POST, &self.agent).json(&message)
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.rpc("tools/call", &json!({"name": tool, "arguments": arguments}));
        let answer: Value = answer.send().await.unwrap().json().await.unwrap();
        answer["result"].clone()
    }
}

async fn status(request: RequestBuilder) -> StatusCode {
    let answer: Response = request.send().await.unwrap();
    answer.status()
}

#[apply(on_both_databases)]
async fn only_agents_are_let_in_and_others_are_told_how(database: Database) {
    let server = Server::start(&database).await;
    assert_eq!(status(server.rpc("tools/list", &json!({}))).await, 200);
    let admin = server.request(Method::POST, crate::support::API_KEY);
    assert_eq!(status(admin.json(&json!({}))).await, 403);
    let wrong = server.request(Method::POST, "wrong").json(&json!({}));
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
    let (_, metadata) = challenge.split_once("resource_metadata=\"").unwrap();
    let metadata = http_client()
        .get(metadata.trim_end_matches('"'))
        .send()
        .await
        .unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    assert_eq!(metadata["resource"], format!("{}/mcp", server.process.base));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(status(server.request(method, &server.agent)).await, 405);
    }
}

#[apply(on_both_databases)]
async fn another_host_and_another_origin_are_refused(database: Database) {
    let server = Server::start(&database).await;
    let list = || server.rpc("tools/list", &json!({}));
    let from = |origin: String| list().header(header::ORIGIN, origin);
    assert_eq!(status(from(server.process.base.clone())).await, 200);
    assert_eq!(status(from("https://evil.example".to_owned())).await, 403);
    assert_eq!(status(from("null".to_owned())).await, 403);
    assert_eq!(
        status(list().header(header::HOST, "evil.example")).await,
        403
    );
}

#[apply(on_both_databases)]
async fn a_tool_that_the_agent_does_not_have_is_refused_and_written_down(database: Database) {
    let server = Server::start(&database).await;
    let input = json!({"customer_id": crate::support::CUSTOMER, "name": "Engines"});
    let refused = server.call("apollo_deals_create", &input).await;
    assert_eq!(refused["isError"], true, "{refused}");
    let words = refused["content"][0]["text"].as_str().unwrap();
    assert!(words.contains("its grants don't allow it"), "{words}");
    let nothing = server.call("../../mgmt/v2/customers", &input).await;
    assert_eq!(nothing["isError"], true, "{nothing}");
    let nobody = server.call("apollo_deals_list", &json!({})).await;
    let words = nobody["content"][0]["text"].as_str().unwrap();
    assert!(
        words.starts_with("customer_id: this field is required"),
        "{words}"
    );
    let log = server
        .process
        .get("/mgmt/v2/audit_log?action=deals.create")
        .await;
    let line = log["results"][0]["message"].as_str().unwrap();
    assert!(
        line.starts_with(
            "agent \"of a test\" was refused to create the deal \"Engines\" at apollo"
        ),
        "{line}"
    );
}

#[apply(on_both_databases)]
async fn calls_that_wait_leave_room_for_those_who_decide(database: Database) {
    let mut command = syncline();
    command.env("SYNCLINE_LIMITS__CONCURRENT_REQUESTS", "6");
    let server = Server::start_with(&database, command).await;
    let arguments = json!({
        "customer_id": crate::support::CUSTOMER, "email": "ada@engine.example", "wait_seconds": 60
    });
    let params = json!({"name": "apollo_contacts_create", "arguments": arguments});
    let mut waiting: FuturesUnordered<_> = (0..12)
        .map(|_| status(server.rpc("tools/call", &params)))
        .collect();
    // Those that wait are all that this key may have: the others are refused.
    for _ in 0..8 {
        let refused = waiting.next().await;
        assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
    }
    let id = loop {
        let held = server.process.get("/mgmt/v2/approvals").await;
        if let Some(id) = held["results"][0]["id"].as_str() {
            break id.to_owned();
        }
    };
    let deny = format!("/mgmt/v2/approvals/{id}/_deny");
    server.process.post(&deny, &json!({})).await;
    let rest: Vec<StatusCode> = waiting.collect().await;
    assert!(rest.contains(&StatusCode::OK), "{rest:?}");
}
