//! `/mcp` of the real binary, as a client of any language sees it: who is let in, and what is written down.
//! tests/mcp/run talks to it with the official clients.

use macro_rules_attribute::apply;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use syncline_sim::{RunningSimulator, Simulator};

use crate::support::{Database, Process, http_client, on_both_databases, quiet_apollo};

struct Server {
    process: Process,
    /// Answers the process until it is dropped.
    _apollo: RunningSimulator,
    agent: String,
}

impl Server {
    async fn start(database: &Database) -> Self {
        let apollo = Simulator::start(quiet_apollo(3)).await.unwrap();
        let process = Process::serve(database, &apollo.base_url()).await;
        process.connect().await;
        let body = json!({"name": "of a test", "role": "agent", "grants": {
            "groups": {"deals": "read"}
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
