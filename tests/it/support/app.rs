//! The application under test: the real router, engine and store over HTTP, with a clock that only
//! tests advance and the simulated Apollo as its provider.
//!
//! Nothing runs in the background: [`App::work_off`] does what is due now and returns, so a test
//! never depends on timing.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use syncline_engine::{Engine, EngineConfig, RetryConfig};
use syncline_listener::ConnectionLimits;
use syncline_model::{Clock, Ids, ManualClock, Object, ProviderName, SyncConfigData};
use syncline_outgoing::SystemLookup;
use syncline_providers::{BUILT_IN, OAuthConfig, Provider, ProviderConfig, Providers, apollo};
use syncline_server::{
    AppState, FeedWatch, Guard, KeyUses, Recorder, RequestGate, RequestLimits, Services,
};
use syncline_sim::{Dialect, Options, RunningSimulator, Simulator};
use syncline_store::{EncryptionKeys, Store};
use syncline_webhooks::{Webhooks, WebhooksConfig};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::task::TaskTracker;

use super::{
    Database,
    documents::{self, Received},
};

pub(crate) const CUSTOMER: &str = "customer-1";
/// A key of the simulated Apollo that may read everything.
pub(crate) const MASTER_KEY: &str = "sim-master-key";
/// A key that may read contacts and accounts only.
pub(crate) const SCOPED_KEY: &str = "sim-scoped-key";

/// Where callers and providers find the application, as it is told them.
pub(crate) const PUBLIC_URL: &str = "https://syncline.example";

pub(crate) struct App {
    pub(crate) apollo: RunningSimulator,
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) webhooks: Webhooks,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) providers: Providers,
    pub(crate) keys: EncryptionKeys,
    pub(crate) api_key: String,
    /// The provider that the simulator is, and that requests name.
    pub(crate) provider: &'static str,
    http: reqwest::Client,
    base: String,
    server: JoinHandle<()>,
}

/// The limits on requests and connections.
#[derive(Clone, Copy)]
pub(crate) struct HttpLimits {
    pub(crate) requests: RequestLimits,
    pub(crate) connections: ConnectionLimits,
}

impl Default for HttpLimits {
    /// As in production, except that wrong keys have no rate limit, because some tests try many of
    /// them.
    fn default() -> Self {
        Self {
            requests: RequestLimits {
                wrong_keys_per_minute: u32::MAX,
                ..RequestLimits::default()
            },
            connections: ConnectionLimits::default(),
        }
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.body);
        self.body
    }

    /// `(status, code, field or title)` of an error.
    pub(crate) fn error(&self) -> (u16, &str, &str) {
        let error = &self.body["errors"][0];
        let what = error["source"]["pointer"]
            .as_str()
            .or(error["title"].as_str())
            .unwrap_or_default();
        (
            self.status.as_u16(),
            error["code"].as_str().unwrap_or_default(),
            what,
        )
    }
}

/// The providers that Syncline comes with, all at this address.
fn built_in(base_url: &str) -> Providers {
    Providers::built_in(|_| ProviderConfig {
        base_url: base_url.to_owned(),
        transport: None,
        oauth: OAuthConfig {
            authorize_url: Some(format!("{base_url}/oauth/authorize")),
            token_url: Some(format!("{base_url}/oauth/token")),
            managed_client: None,
        },
    })
    .unwrap()
}

impl App {
    /// With an Apollo of this many contacts.
    pub(crate) async fn with_contacts(database: Database, contacts: usize) -> Self {
        Self::with_apollo(database, quiet_apollo(contacts)).await
    }

    /// With an Apollo that uses the same clock.
    pub(crate) async fn with_apollo(database: Database, options: Options) -> Self {
        let clock = first_of_march();
        let time = clock.clone();
        let provider = match options.dialect {
            Dialect::Apollo => "apollo",
            Dialect::Outreach => "outreach",
            Dialect::Salesloft => "salesloft",
        };
        let apollo = Simulator::new(options)
            .listen(Arc::new(move || time.now()))
            .await
            .unwrap();
        let mut app = Self::on_clock(
            database,
            clock,
            built_in(&apollo.base_url()),
            apollo,
            HttpLimits::default(),
        )
        .await;
        app.provider = provider;
        app
    }

    /// With other limits on requests and connections, and with another address of Apollo if
    /// `base_url` is given.
    pub(crate) async fn with_limits(
        database: Database,
        base_url: Option<&str>,
        http: HttpLimits,
    ) -> Self {
        let apollo = Simulator::start(quiet_apollo(5)).await.unwrap();
        let base_url = base_url.map_or_else(|| apollo.base_url(), str::to_owned);
        let providers = built_in(&base_url);
        Self::on_clock(database, first_of_march(), providers, apollo, http).await
    }

    /// With an Apollo that is already running, on its own clock.
    pub(crate) async fn against(database: Database, apollo: RunningSimulator) -> Self {
        let http = HttpLimits::default();
        let providers = built_in(&apollo.base_url());
        Self::on_clock(database, first_of_march(), providers, apollo, http).await
    }

    /// With this address of Apollo; the simulated one gets no requests.
    pub(crate) async fn at(database: Database, base_url: &str) -> Self {
        let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
        let http = HttpLimits::default();
        let providers = built_in(base_url);
        Self::on_clock(database, first_of_march(), providers, apollo, http).await
    }

    /// With this provider alone; no simulated one gets requests.
    pub(crate) async fn with_provider(
        database: Database,
        name: &'static str,
        provider: Arc<dyn Provider>,
    ) -> Self {
        let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
        let providers = Providers::of([provider]);
        let http = HttpLimits::default();
        let mut app = Self::on_clock(database, first_of_march(), providers, apollo, http).await;
        app.provider = name;
        app
    }

    async fn on_clock(
        database: Database,
        clock: Arc<ManualClock>,
        providers: Providers,
        apollo: RunningSimulator,
        http: HttpLimits,
    ) -> Self {
        let client = http_client();
        let ids = Arc::new(Ids::random());
        let keys: EncryptionKeys = EncryptionKeys::generate(&ids).parse().unwrap();
        database.with_schema().await;
        let store = Store::open(&database.url, clock.clone(), ids.clone(), keys.clone())
            .await
            .unwrap()
            .with_containment(providers.containment());
        store.migrate().await.unwrap();
        let application = store
            .find_or_create_application("default", &enabled())
            .await
            .unwrap();
        let api_key = "test-api-key".to_owned();
        store
            .add_api_key(&application.id, "test", &api_key)
            .await
            .unwrap();
        let config = EngineConfig {
            limits: BUILT_IN.iter().map(|it| (it.name, it.limits)).collect(),
            callback_base: Some(PUBLIC_URL.to_owned()),
            ..Self::engine_config()
        };
        let limits = Arc::new(config.limits.clone());
        let engine = Engine::new(store.clone(), providers.clone(), clock.clone(), config);
        let webhooks = webhooks(&store, &clock, WebhooksConfig::default());
        let (recorder, writer) = Recorder::new(store.clone());
        tokio::spawn(writer);
        let state = AppState::from(Services {
            store: store.clone(),
            providers: providers.clone(),
            tokens: engine.tokens(),
            clock: clock.clone(),
            ids,
            limits,
            public_url: PUBLIC_URL.into(),
            return_origins: ["https://app.example".to_owned()].into(),
            key_uses: KeyUses::default(),
            allow_private_targets: true,
            allow_private_destinations: true,
            request_gate: RequestGate::default(),
            feeds: FeedWatch::default(),
            tasks: TaskTracker::new(),
            guard: Guard::new(http.requests),
            recorder,
            wake: engine.wake(),
            metrics: PrometheusBuilder::new().build_recorder().handle().into(),
        });
        let router = syncline_server::router(state, syncline_console::pages);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let never = std::future::pending();
        let server = tokio::spawn(syncline_listener::serve(
            listener,
            router,
            http.connections,
            never,
        ));
        Self {
            apollo,
            database,
            store,
            engine,
            webhooks,
            clock,
            providers,
            keys,
            api_key,
            provider: "apollo",
            http: client,
            base,
            server,
        }
    }

    /// Production's, except for short retry delays and for polls an hour apart, so that no test has
    /// to wait.
    pub(crate) fn engine_config() -> EngineConfig {
        EngineConfig {
            tick: Duration::from_hours(1),
            retry: RetryConfig {
                first_delay: Duration::from_millis(1),
                ..RetryConfig::default()
            },
            ..EngineConfig::default()
        }
    }

    /// With a connected customer whose first syncs have run.
    pub(crate) async fn synced(database: Database, contacts: usize) -> Self {
        let app = Self::with_contacts(database, contacts).await;
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        app
    }

    /// Registers a customer and connects it.
    pub(crate) async fn connect(&self, customer: &str, key: &str) -> Value {
        self.put_customer(customer).await.ok();
        self.post_connection(customer, key).await.ok()
    }

    pub(crate) async fn put_customer(&self, customer: &str) -> Answer {
        let body =
            json!({"customer_id": customer, "name": "A customer", "email": "a@customer.example"});
        self.send(Method::PUT, "/mgmt/v2/customers", Some(body))
            .await
    }

    pub(crate) async fn post_connection(&self, customer: &str, key: &str) -> Answer {
        let body = json!({"provider_name": "apollo", "category": "engagement", "api_key": key});
        let path = format!("/mgmt/v2/customers/{customer}/connections");
        self.send(Method::POST, &path, Some(body)).await
    }

    pub(crate) async fn application_id(&self) -> String {
        let customers = self.get("/mgmt/v2/customers").await.ok();
        customers[0]["application_id"].as_str().unwrap().to_owned()
    }

    /// Does everything that is due now, one scan after the other.
    pub(crate) async fn work_off(&self) -> usize {
        self.engine.work_off().await.unwrap()
    }

    /// Works on every enrichment job that is due now.
    pub(crate) async fn enrich(&self) -> usize {
        self.engine.work_off_enrichment().await.unwrap()
    }

    /// Another webhook sender.
    pub(crate) fn webhooks(&self, config: WebhooksConfig) -> Webhooks {
        webhooks(&self.store, &self.clock, config)
    }

    /// Sends every webhook that is due now; returns the number of attempts.
    pub(crate) async fn deliver(&self) -> usize {
        self.webhooks.work_off().await.unwrap()
    }

    /// Advances the clock, and does what is due then.
    pub(crate) async fn after(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.work_off().await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Selects the connection of [`CUSTOMER`] by headers, as the engagement API requires.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self
            .request(method, path)
            .header("x-api-key", &self.api_key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", self.provider);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::answer(request).await
    }

    /// Sends the body exactly as it is written.
    pub(crate) async fn post_text(&self, path: &str, json: String) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("x-api-key", &self.api_key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", self.provider)
            .header("content-type", "application/json");
        Self::answer(request.body(json)).await
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A request without any headers of its own.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request. The answer must be one that the API's document allows.
    pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        let method = request.method().clone();
        Self::read(&method, http.execute(request).await.unwrap()).await
    }

    /// Reads a response to such a request, which must be one that the API's document allows.
    pub(crate) async fn read(method: &Method, mut response: reqwest::Response) -> Answer {
        let (status, path) = (response.status(), response.url().path().to_owned());
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        // A stream of events goes on; its beginning is enough.
        let is_stream = content_type
            .as_ref()
            .is_some_and(|it| it == "text/event-stream");
        let text = if is_stream {
            let first = response.chunk().await.unwrap().unwrap_or_default();
            String::from_utf8(first.to_vec()).unwrap()
        } else {
            response.text().await.unwrap()
        };
        documents::check(&Received {
            method,
            path: &path,
            status,
            content_type: content_type.as_ref().map(|value| value.to_str().unwrap()),
            text: &text,
        });
        Answer {
            status,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    /// A GET with another key.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Answer {
        let request = self
            .request(Method::GET, path)
            .header("x-api-key", key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", self.provider);
        Self::answer(request).await
    }

    /// Waits until the last use of a valid key was recorded for this minute, which happens in the
    /// background.
    pub(crate) async fn until_last_use_recorded(&self, key: &str) {
        loop {
            let (_, found) = self.store.authenticate(key).await.unwrap().unwrap();
            let minute_ago = self.now() - TimeDelta::minutes(1);
            if found.last_used_at.is_some_and(|at| at > minute_ago) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// All rows of one of the engagement lists, page by page.
    pub(crate) async fn all_records(&self, list: &str) -> Vec<Value> {
        let mut records = Vec::new();
        let mut cursor = String::new();
        let sign = if list.contains('?') { '&' } else { '?' };
        loop {
            let path =
                format!("/engagement/v2/{list}{sign}read_from_cache=true&page_size=100{cursor}");
            let page = self.get(&path).await.ok();
            records.extend(page["records"].as_array().unwrap().iter().cloned());
            match page["pagination"]["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return records,
            }
        }
    }

    /// The runs of one object, the newest first.
    pub(crate) async fn runs(&self, object: &str) -> Vec<Value> {
        let path = format!("/mgmt/v2/sync-runs?object_type=common&object={object}");
        let runs = self.get(&path).await.ok();
        runs["results"].as_array().unwrap().clone()
    }

    /// Waits until the object's newest run has so many records.
    pub(crate) async fn until_written(&self, object: &str, records: i64) {
        while self.runs(object).await[0]["num_records_synced"] != records {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn trigger(&self, object: &str) -> Value {
        self.post(
            "/mgmt/v2/syncs/_trigger",
            json!({"object_type": "common", "object": object}),
        )
        .await
        .ok()
    }

    pub(crate) fn now(&self) -> DateTime<chrono::Utc> {
        self.clock.now()
    }
}

/// The providers of a new application.
pub(crate) fn enabled() -> Vec<(ProviderName, SyncConfigData)> {
    vec![(apollo::NAME, SyncConfigData::hourly(Object::ALL))]
}

/// Sending to this machine is allowed, because the receivers are there.
fn webhooks(store: &Store, clock: &Arc<ManualClock>, config: WebhooksConfig) -> Webhooks {
    let config = WebhooksConfig {
        allow_private_targets: true,
        ..config
    };
    Webhooks::new(store.clone(), clock.clone(), SystemLookup, config).unwrap()
}

pub(crate) fn first_of_march() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(
        DateTime::parse_from_rfc3339("2026-03-01T08:00:00Z")
            .unwrap()
            .to_utc(),
    ))
}

/// A client that talks to the service under test.
pub(crate) fn http_client() -> reqwest::Client {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An Apollo whose statistics are computed already, so that repeated reads return the same.
pub(crate) fn quiet_apollo(contacts: usize) -> Options {
    let mut options = Options::with_contacts(contacts);
    for team in &mut options.teams {
        team.loading_reads = 0;
    }
    options.apollo.callbacks_held = true;
    options
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}
