//! Subscriptions to webhooks. Nothing is delivered.

use super::Call;
use super::body::{Fields, flag};
use super::record::Record;
use super::refusal::{Answer, Refusal};
use super::users::guid;

/// The events of each kind of record, with the scope that a subscription to them needs.
const EVENTS: [(&str, &[&str], &str); 7] = [
    (
        "account",
        &["created", "updated", "deleted"],
        "accounts:read",
    ),
    ("person", &["created", "updated", "deleted"], "people:read"),
    (
        "cadence_membership",
        &["created", "updated"],
        "cadences:read",
    ),
    (
        "cadence",
        &["created", "updated", "deleted"],
        "cadences:read",
    ),
    ("step", &["created", "updated", "deleted"], "cadences:read"),
    (
        "task",
        &["created", "updated", "completed", "deleted"],
        "tasks:read",
    ),
    ("user", &["created", "updated"], "team:read"),
];

/// A subscription of the team to one event.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    id: String,
    user_id: String,
    callback_url: String,
    callback_token: String,
    event_type: String,
    enabled: bool,
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let subscription = Subscription {
        id: call.team.mint(call.now),
        user_id: call.access.user_id.clone(),
        callback_url: fields.required("callback_url")?,
        callback_token: fields.required("callback_token")?,
        event_type: fields.required("event_type")?,
        enabled: true,
    };
    let scope = scope_of(&subscription.event_type);
    let scope = scope.ok_or_else(|| Refusal::field("event_type", "is invalid"))?;
    call.require_scope(scope)?;
    let shown = shown(call, &subscription);
    call.team.salesloft.subscriptions.push(subscription);
    let status = call.created_status();
    Ok(if call.team.salesloft.switches.webhook_creation_in_data {
        Answer::record(status, &shown)
    } else {
        Answer::bare(status, shown)
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler has the same signature"
)]
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let all = call.team.salesloft.subscriptions.iter();
    let all: Vec<String> = all.map(|known| shown(call, known)).collect();
    Ok(Answer::record(200, &format!("[{}]", all.join(","))))
}

pub(super) fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut all = call.team.salesloft.subscriptions.iter();
    let known = all.find(|known| known.id == call.id);
    let known = known.ok_or_else(|| call.not_found())?;
    Ok(Answer::record(200, &shown(call, known)))
}

/// Enables or disables a subscription.
pub(super) fn update(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::read(call);
    let enabled = fields.get("enabled");
    let enabled = enabled.map(|value| flag("enabled", value)).transpose()?;
    let mut all = call.team.salesloft.subscriptions.iter_mut();
    if let Some(known) = all.find(|known| known.id == call.id) {
        known.enabled = enabled.unwrap_or(known.enabled);
    }
    show(call)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    show(call)?;
    let all = &mut call.team.salesloft.subscriptions;
    all.retain(|known| known.id != call.id);
    Ok(Answer::nothing())
}

/// The scope that an event needs; `None` if there is no such event.
fn scope_of(event: &str) -> Option<&'static str> {
    EVENTS.iter().find_map(|(kind, verbs, scope)| {
        let verb = event.strip_prefix(kind)?.strip_prefix('_')?;
        verbs.contains(&verb).then_some(*scope)
    })
}

fn shown(call: &Call<'_>, subscription: &Subscription) -> String {
    let mut record = Record::new(&subscription.id);
    record
        .raw("tenant_id", &call.team.id)
        .text("user_guid", &guid(&subscription.user_id))
        .text("callback_url", &subscription.callback_url)
        .text("callback_token", &subscription.callback_token)
        .text("event_type", &subscription.event_type)
        .flag("enabled", subscription.enabled);
    record.finish()
}
