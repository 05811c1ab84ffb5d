//! Authorization: what an API key may do, by its role or its own policy. The one place where a call is
//! allowed or denied.
//!
//! The required access follows from the method and the route, before the handler runs, so a new
//! endpoint needs no check of its own: a call that isn't clearly a read needs a rule. A caller's
//! own request to a provider is checked twice: whether the key may send any at all and, once the
//! target is known, whether it may send this one ([`check_forward`]).

use axum::{
    extract::{MatchedPath, OriginalUri},
    http::{HeaderMap, HeaderName, Method, header, request::Parts},
};
use percent_encoding::percent_decode_str;
use syncline_model::{Action, ApiKey, Permission, Policy, Role, line::name_or_quoted};
use syncline_providers::{Target, capabilities::Forwards};

use crate::{
    error::{ApiError, ApiResult},
    extract::Caller,
    remote::Remote,
};

/// Admins only below these paths: reads there return secrets, or lead to them.
const FOR_ADMINS: &[&str] = &[
    "/mgmt/v2/api_keys",
    "/mgmt/v2/audit_log",
    "/mgmt/v2/magic_links",
    "/mgmt/v2/webhook_endpoints",
];

/// Below this path, every valid key: which actions it may call is decided when the action is known
/// ([`check_action`]).
const ACTIONS: &str = "/actions/v2/actions";

/// Below these paths, reads need only a valid key.
const READABLE: &[&str] = &["/mgmt/v2/", "/engagement/v2/", "/scim/v2/"];

/// Whether a POST to this path only reads.
pub(crate) fn posts_only_read(path: &str) -> bool {
    ["/_search", "/_forecast"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Headers with which some servers override the method.
const METHOD_OVERRIDES: &[&str] = &[
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The headers that a key with rules may send. Servers and proxies use many others to find the path
/// or the host, and no list of those is ever complete.
const PLAIN_HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    // Hop-by-hop: it and the headers that it names are not forwarded.
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "prefer",
    "range",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-correlation-id",
    "x-request-id",
];

/// The same override as a form field or query parameter.
const METHOD_FIELD: &str = "_method";

/// The access that a call requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequiredAccess {
    /// Any valid key except an agent's.
    Read,
    /// A call of an action: an agent, or any rule in `passthrough`.
    Action,
    /// Any valid key, also an agent's.
    Catalogue,
    /// The admin role, and also a rule if it writes.
    Admin { writes: bool },
    /// A rule in `writes`.
    Write,
    /// Any rule in `passthrough`.
    Forward,
    /// The permission to spend the customer's credits.
    Spend,
}

impl RequiredAccess {
    fn of(method: &Method, route: &str) -> Self {
        let below = |base: &&str| {
            let rest = route.strip_prefix(base);
            rest.is_some_and(|rest| base.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
        };
        let reads = matches!(*method, Method::GET | Method::HEAD)
            || (*method == Method::POST && posts_only_read(route));
        if below(&ACTIONS) {
            if reads { Self::Catalogue } else { Self::Action }
        } else if FOR_ADMINS.iter().any(below) {
            Self::Admin { writes: !reads }
        } else if READABLE.iter().any(below) {
            if reads { Self::Read } else { Self::Write }
        } else if below(&"/actions/v2/") {
            Self::Forward
        } else if below(&"/enrichment/v2/jobs") && reads {
            // What was paid for already.
            Self::Read
        } else if below(&"/enrichment/v2/") {
            Self::Spend
        } else {
            Self::Admin { writes: true }
        }
    }
}

/// Whether the key may make this call; the error says what the key lacks.
pub(crate) fn check(key: &ApiKey, parts: &Parts) -> Result<(), String> {
    let route = parts.extensions.get::<MatchedPath>();
    let original = parts.extensions.get::<OriginalUri>();
    let path = original.map_or(&parts.uri, |uri| &uri.0).path();
    check_call(
        key,
        &parts.method,
        route.map_or("", MatchedPath::as_str),
        path,
    )
}

/// The same for a call that is not made yet. A path does as a `route`, because only its beginning and
/// end count.
pub(crate) fn check_call(
    key: &ApiKey,
    method: &Method,
    route: &str,
    path: &str,
) -> Result<(), String> {
    let need = RequiredAccess::of(method, route);
    if need == RequiredAccess::Catalogue {
        return Ok(());
    }
    if key.role == Role::Agent {
        if need == RequiredAccess::Action {
            return Ok(());
        }
        return Err(format!(
            "this API key is an agent's and may not {method} {path}: it may call actions, which GET {ACTIONS} \
             lists"
        ));
    }
    if need == RequiredAccess::Read || (key.role == Role::Admin && key.is_unlimited()) {
        return Ok(());
    }
    let policy = key.effective_policy();
    let lacks = |needs| Err(lacks(key, &format!("{method} {path}"), needs));
    match need {
        RequiredAccess::Admin { .. } if key.role != Role::Admin => Err(format!(
            "this API key has the role {} and may not {method} {path}: that takes the role admin",
            key.role
        )),
        RequiredAccess::Admin { writes: true } | RequiredAccess::Write
            if !allows_write(&policy, method, path) =>
        {
            lacks("a rule for it in \"writes\"")
        }
        RequiredAccess::Forward | RequiredAccess::Action if policy.passthrough.is_empty() => {
            lacks("a rule in \"passthrough\"")
        }
        RequiredAccess::Spend if !policy.credits => {
            lacks("\"credits\": true, because it costs the customer's credits")
        }
        RequiredAccess::Read
        | RequiredAccess::Catalogue
        | RequiredAccess::Action
        | RequiredAccess::Admin { .. }
        | RequiredAccess::Write
        | RequiredAccess::Forward
        | RequiredAccess::Spend => Ok(()),
    }
}

/// Whether the caller's key may call an action for a customer. Checked before the customer is looked up, so
/// that an agent learns nothing about others.
pub(crate) fn check_action(
    caller: &Caller,
    action: Option<&Action>,
    (name, customer_id): (&str, &str),
) -> ApiResult<Permission> {
    let key = &caller.key;
    if key.role != Role::Agent {
        return Ok(Permission::Allow);
    }
    let refuse = |needs: &str| {
        Err(caller.refuse(format!(
            "this agent may not call {} for the customer {}: {needs}",
            name_or_quoted(name),
            name_or_quoted(customer_id)
        )))
    };
    let Some(grants) = &key.grants else {
        return refuse("its key has no grants");
    };
    if !grants.may_act_for(customer_id) {
        return refuse("its grants don't name this customer");
    }
    // An action that is unknown and one that is off look the same.
    match action.map(|action| (action, grants.permission(action))) {
        Some((_, permission @ (Permission::Allow | Permission::Ask))) => Ok(permission),
        Some((action, Permission::Off)) if action.spends_credits() => {
            refuse("it costs credits, so its grants have to name it")
        }
        _ => refuse("its grants don't allow it"),
    }
}

/// Whether the caller's key may make an action's request. Agents have grants; other keys are held to the
/// rules that their own requests are held to.
pub(crate) fn check_action_request(
    caller: &Caller,
    forwards: &dyn Forwards,
    (method, path): (&Method, &str),
) -> ApiResult<()> {
    let key = &caller.key;
    if key.role == Role::Agent || key.is_unlimited() {
        return Ok(());
    }
    let policy = key.effective_policy();
    let target = forwards.passthrough().target(path, []);
    let target = target.map_err(|reason| ApiError::validation("input", reason))?;
    let path = target.normalized_path();
    let call = format!("{method} /{path}");
    if !policy.allows_passthrough(method.as_str(), &path) {
        return Err(caller.refuse(lacks(key, &call, "a rule for it in \"passthrough\"")));
    }
    if forwards.may_cost_credits(&path) && !policy.credits {
        let needs = "\"credits\": true, because it may cost the customer's credits";
        return Err(caller.refuse(lacks(key, &call, needs)));
    }
    Ok(())
}

/// A caller's own request to a provider, as rules see it.
pub(crate) struct Forwarding<'f> {
    pub(crate) method: &'f Method,
    pub(crate) target: &'f Target,
    /// As they will be sent.
    pub(crate) headers: &'f HeaderMap,
    pub(crate) has_body: bool,
}

/// Whether the caller's key may send this request to the provider. Checked before anything is sent.
pub(crate) fn check_forward(
    caller: &Caller,
    remote: &Remote,
    forwarding: &Forwarding<'_>,
) -> ApiResult<()> {
    let key = &caller.key;
    if key.is_unlimited() {
        return Ok(());
    }
    let policy = key.effective_policy();
    // Keys with rules may not send what a rule can't check.
    if let Some(reason) = ambiguous(forwarding) {
        let refusal = format!("this API key has rules, and {reason}");
        return Err(caller.refuse(refusal));
    }
    let path = forwarding.target.normalized_path();
    let provider = remote.connection().provider;
    let call = format!("{} /{path} at {provider}", forwarding.method);
    if !policy.allows_passthrough(forwarding.method.as_str(), &path) {
        let refusal = lacks(key, &call, "a rule for it in \"passthrough\"");
        return Err(caller.refuse(refusal));
    }
    if remote.capabilities().forwards()?.may_cost_credits(&path) && !policy.credits {
        let needs = "\"credits\": true, because it may cost the customer's credits";
        return Err(caller.refuse(lacks(key, &call, needs)));
    }
    Ok(())
}

/// Removes the headers that the caller's key may not send.
pub(crate) fn restrict_headers(caller: &Caller, headers: &mut HeaderMap) {
    if caller.key.is_unlimited() {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names {
        if !PLAIN_HEADERS.contains(&name.as_str()) {
            headers.remove(name);
        }
    }
}

/// What could make the server handle a different request than the one that the rules check.
fn ambiguous(forwarding: &Forwarding<'_>) -> Option<String> {
    let headers = forwarding.headers;
    // Servers that turn headers into variables treat both spellings as the same.
    let mut names = headers.keys().map(|name| name.as_str().replace('_', "-"));
    if let Some(name) = names.find(|name| METHOD_OVERRIDES.contains(&name.as_str())) {
        return Some(format!("the header {name} could override the method"));
    }
    let path = forwarding.target.normalized_path();
    if path.contains(|it: char| matches!(it, '%' | ';' | '?' | '#') || it.is_whitespace()) {
        let reason = "its path must have no second layer of escapes, no space, and none of ; ? #";
        return Some(reason.to_owned());
    }
    let query = forwarding.target.url.query().unwrap_or_default();
    let mut fields = form_urlencoded::parse(query.as_bytes());
    if fields.any(|(name, _)| name.eq_ignore_ascii_case(METHOD_FIELD)) {
        return Some(format!(
            "the parameter {METHOD_FIELD} could override the method"
        ));
    }
    if forwarding.has_body && may_be_form(headers) {
        return Some(format!(
            "a form could override the method with a field {METHOD_FIELD}: send JSON, with its \
             content-type"
        ));
    }
    None
}

/// Servers treat a body without a type as a form.
fn may_be_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().peekable();
    types.peek().is_none()
        || types.any(|value| {
            let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
            let essence = value.split(';').next().unwrap_or_default().trim();
            essence.is_empty()
                || essence.contains("form")
                || essence.starts_with("multipart/")
                // Several types in one line: it is undefined which one counts.
                || value.contains(',')
        })
}

fn allows_write(policy: &Policy, method: &Method, path: &str) -> bool {
    let segments = path.trim_start_matches('/').split('/');
    let segments: Vec<_> = segments
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy())
        .collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    policy.allows_write(method.as_str(), &segments)
}

/// The message for a key that lacks a rule; it says which rules apply to the key.
fn lacks(key: &ApiKey, call: &str, needs: &str) -> String {
    if key.policy.is_some() {
        format!("this API key may not {call}: its policy lacks {needs}")
    } else {
        let role = key.role;
        format!(
            "this API key has the role {role} and may not {call}: that takes a policy with {needs}, or \
             the role admin"
        )
    }
}
