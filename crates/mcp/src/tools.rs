//! Actions as tools: one for each action of a provider that the agent's customers are connected to, and
//! one for each read of the tables.

use std::sync::Arc;

use ::http::{HeaderName, Method};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_server::{
    in_process::{Api, ApiCall, ApiFailure, CallBody},
    sessions::SignedIn,
};

const CUSTOMER_ID: &str = "customer_id";
const PROVIDER_NAME: &str = "provider_name";
const WAIT: &str = "wait_seconds";
const LONGEST_WAIT: u64 = 60;
/// A longer list of customers is not part of the description.
const MOST_CUSTOMERS_NAMED: usize = 20;

/// What `GET /actions/v2/actions` answers.
#[derive(Deserialize)]
pub(crate) struct Catalogue {
    actions: Vec<ListedAction>,
    /// The providers that the key's customers are connected to.
    connected_providers: Vec<String>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Deserialize)]
struct ListedAction {
    name: String,
    provider: Option<String>,
    title: String,
    description: String,
    access: String,
    destructive: bool,
    idempotent: bool,
    spends_credits: bool,
    needs_master_key: bool,
    permission: String,
    input: JsonObject,
    output: Value,
}

/// The tools of one agent.
pub(crate) struct Tools {
    actions: Vec<ListedAction>,
    providers: Vec<String>,
    /// Those that the agent is limited to.
    customers: Option<Vec<String>>,
}

/// A call of the API that a tool makes.
pub(crate) struct ToolCall {
    path: String,
    headers: Vec<(HeaderName, String)>,
    input: JsonObject,
    /// The argument without which the API can't tell for whom the call is.
    missing: Option<&'static str>,
}

impl Catalogue {
    pub(crate) async fn read(api: &Api, caller: &SignedIn) -> Result<Self, ApiFailure> {
        let call = ApiCall {
            method: Method::GET,
            path: "/actions/v2/actions?connected=true",
            headers: &[],
            body: None,
        };
        api.call(caller, call).await
    }
}

impl Tools {
    pub(crate) fn new(catalogue: Catalogue, caller: &SignedIn) -> Self {
        let grants = caller.key.grants.as_ref();
        let customers = grants.and_then(|grants| grants.customers.as_ref());
        Self {
            actions: catalogue.actions,
            providers: catalogue.connected_providers,
            customers: customers.map(|all| all.iter().cloned().collect()),
        }
    }

    pub(crate) fn described(&self) -> Vec<Tool> {
        self.actions
            .iter()
            .map(|action| self.tool(action))
            .collect()
    }

    fn tool(&self, action: &ListedAction) -> Tool {
        let annotations = ToolAnnotations::with_title(action.title.clone())
            .read_only(action.access == "read")
            .destructive(action.destructive)
            .idempotent(action.idempotent)
            .open_world(action.provider.is_some());
        let input = Arc::new(self.input_of(action));
        Tool::new(action.tool_name(), action.in_words(), input)
            .with_title(action.title.clone())
            .with_raw_output_schema(Arc::new(output_of(action)))
            .with_annotations(annotations)
    }

    /// The action's input, and whom it is for.
    fn input_of(&self, action: &ListedAction) -> JsonObject {
        let mut schema = action.input.clone();
        let mut fields = object(schema.remove("properties"));
        let mut required = list(schema.remove("required"));
        fields.insert(CUSTOMER_ID.to_owned(), self.customer_field());
        if !self.has_one_customer() {
            required.push(json!(CUSTOMER_ID));
        }
        if action.provider.is_none() && self.providers.len() > 1 {
            let description = "Whose records: the sales tool that the customer uses.";
            let field =
                json!({"type": "string", "enum": self.providers, "description": description});
            fields.insert(PROVIDER_NAME.to_owned(), field);
            required.push(json!(PROVIDER_NAME));
        }
        if action.permission == "ask" {
            let description = "How long to wait for a person who approves the call. Default 0.";
            let field = json!({"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT, "description": description});
            fields.insert(WAIT.to_owned(), field);
        }
        schema.insert("properties".to_owned(), Value::Object(fields));
        schema.insert("required".to_owned(), Value::Array(required));
        schema
    }

    fn has_one_customer(&self) -> bool {
        matches!(self.customers.as_deref(), Some([_]))
    }

    fn customer_field(&self) -> Value {
        let description = "The customer to act for, by the id that the application gave them.";
        match self.customers.as_deref() {
            Some([one]) => {
                json!({"type": "string", "enum": [one], "default": one, "description": description})
            }
            Some(some) if some.len() <= MOST_CUSTOMERS_NAMED => {
                json!({"type": "string", "enum": some, "description": description})
            }
            _ => json!({"type": "string", "minLength": 1, "description": description}),
        }
    }

    /// The call that a tool makes with these arguments. One of a tool that the agent doesn't have is made
    /// too, so that it is refused and written down where every call is.
    pub(crate) fn call_of(
        &self,
        name: &str,
        mut arguments: JsonObject,
    ) -> Result<ToolCall, String> {
        let listed = self
            .actions
            .iter()
            .find(|action| action.tool_name() == name);
        let (action, provider) = match listed {
            Some(action) => (action.name.clone(), action.provider.clone()),
            None => self.meant_by(name),
        };
        let customer = match (
            taken(&mut arguments, CUSTOMER_ID)?,
            self.customers.as_deref(),
        ) {
            (Some(customer), _) => Some(customer),
            (None, Some([one])) => Some(one.clone()),
            (None, _) => None,
        };
        let given = taken(&mut arguments, PROVIDER_NAME)?;
        let provider = match (provider, given, self.providers.as_slice()) {
            (Some(provider), ..) | (None, Some(provider), _) => Some(provider),
            (None, None, [one]) => Some(one.clone()),
            (None, None, _) => None,
        };
        let wait = match arguments.remove(WAIT) {
            None => 0,
            Some(wait) => wait
                .as_u64()
                .filter(|seconds| *seconds <= LONGEST_WAIT)
                .ok_or_else(|| format!("{WAIT}: must be a whole number from 0 to 60"))?,
        };
        let missing = match (&customer, &provider) {
            (None, _) => Some(CUSTOMER_ID),
            (_, None) => Some(PROVIDER_NAME),
            _ => None,
        };
        let named = [("x-customer-id", customer), ("x-provider-name", provider)];
        let headers = named
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value?)));
        Ok(ToolCall {
            path: format!("/actions/v2/actions/{}?wait={wait}", segment(&action)),
            headers: headers.collect(),
            input: arguments,
            missing,
        })
    }

    /// The action and the provider of a tool's name that is not among the agent's.
    fn meant_by(&self, name: &str) -> (String, Option<String>) {
        let providers = self.providers.iter();
        let of = providers.filter_map(|provider| {
            let rest = name.strip_prefix(provider.as_str())?.strip_prefix('_')?;
            Some((rest, Some(provider.clone())))
        });
        let (rest, provider) = of
            .max_by_key(|(_, provider)| provider.clone())
            .unwrap_or((name, None));
        (rest.replacen('_', ".", 1), provider)
    }
}

impl ListedAction {
    /// Some clients take nothing but letters, digits and `_`.
    fn tool_name(&self) -> String {
        let name = self.name.replace('.', "_");
        match &self.provider {
            Some(provider) => format!("{provider}_{name}"),
            None => name,
        }
    }

    fn in_words(&self) -> String {
        let mut words = self.description.clone();
        if self.permission == "ask" {
            words += " A person has to approve each call.";
        }
        if self.spends_credits {
            words += " It spends the customer's credits.";
        }
        if self.needs_master_key {
            words += " It takes a master key of the customer's, or one whose scope has it.";
        }
        words
    }
}

impl ToolCall {
    pub(crate) async fn make(self, api: &Api, caller: &SignedIn) -> Result<Value, ApiFailure> {
        let call = ApiCall {
            method: Method::POST,
            path: &self.path,
            headers: &self.headers,
            body: Some(CallBody::Json(Value::Object(self.input))),
        };
        let answer = api.call(caller, call).await;
        match self.missing {
            // The API names its headers, which a model doesn't know.
            Some(argument) => answer.map_err(|failure| ApiFailure {
                title: format!("{argument}: this field is required"),
                ..failure
            }),
            None => answer,
        }
    }
}

/// A name that somebody made up can have any characters.
fn segment(name: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let name: String = name.chars().filter(|it| plain(*it)).take(100).collect();
    if name.trim_matches('.').is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}

/// What every tool returns: the action's output, and how the call went.
fn output_of(action: &ListedAction) -> JsonObject {
    let schema = json!({
        "type": "object",
        "properties": {
            "status": {
                "type": "string",
                "enum": ["done", "pending", "denied", "failed"],
                "description": "pending: the call waits for a person."
            },
            "result": action.output,
            "is_cut": {"type": "boolean", "description": "Whether lists in the result were cut: ask for less."},
            "credits_spent": {"type": "integer"},
            "approval": {
                "type": "object",
                "description": "What the call waits for, or waited for.",
                "properties": {
                    "id": {"type": "string"},
                    "status": {"type": "string"},
                    "expires_at": {"type": "string"},
                    "decided_by": {"type": ["string", "null"]}
                }
            },
            "error": {"type": "string", "description": "Why an approved call failed."}
        },
        "required": ["status", "result"]
    });
    object(Some(schema))
}

fn taken(arguments: &mut JsonObject, field: &str) -> Result<Option<String>, String> {
    match arguments.remove(field) {
        None | Some(Value::Null) => Ok(None),
        // It travels in a header.
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(format!("{field}: must have no control characters"))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{field}: must be a string")),
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}
