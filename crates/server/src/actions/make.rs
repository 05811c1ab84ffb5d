//! Makes a call of an action: at the provider, under its limits and within the agent's credits, or from
//! the synced tables.

use serde_json::Value;
use syncline_model::{Access, Action, ApiKey, Denial, Time};
use syncline_providers::{ErrorKind, ProviderError, actions::ProviderAction};
use syncline_store::{Connection, CreditReservation, CreditsUsedUp, Tenant};

use super::{catalogue::Listed, tables};
use crate::{
    AppState,
    engagement::show,
    error::{ApiError, ApiResult},
    provider_errors::ProviderFailure,
    remote::{Remote, Sender},
};

/// The largest result, as JSON text in bytes. Lists in it are cut.
const LARGEST_RESULT: usize = 32 * 1024;

/// For whom a call is made.
pub(crate) struct OnBehalf<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) key: &'a ApiKey,
    pub(crate) connection: &'a Connection,
}

/// What came of a call.
pub(crate) struct Made {
    /// As the action describes it.
    pub(crate) result: Value,
    /// Whether lists in it were cut.
    pub(crate) is_cut: bool,
    pub(crate) credits_spent: u32,
}

/// `input` is as the action describes it, and the key may make the call.
pub(crate) async fn make(
    state: &AppState,
    who: &OnBehalf<'_>,
    listed: Listed,
    input: &Value,
) -> ApiResult<Made> {
    let (answer, credits_spent) = match listed {
        Listed::Tables(action) => {
            let answer = tables::answer(state, who, &action.name, input).await?;
            (answer, 0)
        }
        Listed::Provider(_, it) => at_provider(state, who, it, input).await?,
    };
    let output = &listed.action().output;
    let has_long_lists = output.cuts_lists(&answer);
    let (result, is_cut) = bounded(output.project(answer));
    Ok(Made {
        result,
        is_cut: is_cut || has_long_lists,
        credits_spent,
    })
}

async fn at_provider(
    state: &AppState,
    who: &OnBehalf<'_>,
    it: &'static ProviderAction,
    input: &Value,
) -> ApiResult<(Value, u32)> {
    let action = &it.action;
    let remote = Remote::of(state, who.connection).await?;
    let remote = remote.sent_by(Sender::of(who.key));
    let actions = remote.capabilities().actions()?;
    let most = action.most_credits(input);
    let reserved = reserve(state, who, action, most).await?;
    let acted = actions.act(&remote.session(), it, input).await;
    let spent = match (&acted, &action.credits) {
        (_, None) => 0,
        (Ok(acted), Some(cost)) => cost.spent(input, &acted.answer),
        (Err(error), Some(_)) if is_free(error) => 0,
        (Err(_), Some(_)) => most,
    };
    settle(state, reserved, spent).await;
    let acted = acted.map_err(|error| in_words(error, action))?;
    if let Some(records) = &acted.records {
        // A failure is logged; the next sync shows the write.
        let _ = show(state, &remote, records, &[]).await;
    }
    Ok((acted.answer, spent))
}

/// Counts the most that the call may cost, before it is made.
async fn reserve(
    state: &AppState,
    who: &OnBehalf<'_>,
    action: &Action,
    most: u32,
) -> ApiResult<Option<CreditReservation>> {
    let Some(grants) = who.key.grants.as_ref().filter(|_| most > 0) else {
        return Ok(None);
    };
    let reserved = who
        .tenant
        .reserve_credits(who.key, who.connection, most, grants.credits_per_day)
        .await?;
    let now = state.clock.now();
    reserved
        .map(Some)
        .map_err(|used_up| too_many(now, action, most, used_up))
}

async fn settle(state: &AppState, reserved: Option<CreditReservation>, spent: u32) {
    if let Some(reserved) = reserved
        && let Err(error) = state.store.settle_credits(&reserved, spent).await
    {
        tracing::warn!("could not settle an agent's credits; they count in full: {error}");
    }
}

fn too_many(now: Time, action: &Action, most: u32, used_up: CreditsUsedUp) -> ApiError {
    let CreditsUsedUp {
        spent,
        most: ceiling,
        until,
    } = used_up;
    let (name, credits) = (&action.name, if most == 1 { "credit" } else { "credits" });
    let costs = format!("{name} may cost {most} {credits}");
    match until {
        Some(until) => ApiError::NoCreditsLeft {
            reason: format!(
                "{costs}, and this agent has spent {spent} of its {ceiling} in 24 hours: try again at {}",
                syncline_model::time::format(until)
            ),
            retry_after: u64::try_from((until - now).num_seconds() + 1).unwrap_or(1),
        },
        None => ApiError::Forbidden(format!(
            "{costs}, and this agent may spend {ceiling} in 24 hours: ask for less, or for a higher \
             credits_per_day"
        )),
    }
}

/// Whether a failed call has certainly cost nothing: it was not sent, or the provider refused it.
fn is_free(error: &ProviderError) -> bool {
    error.records == Some(0)
        || !error.is_temporary()
        || error.status.is_none() && error.kind == ErrorKind::Unavailable
}

/// A field that the provider's requests have no room for is one of the input.
pub(super) fn in_input(error: ProviderError) -> ApiError {
    match error.field {
        Some(field) => ApiError::validation(field.0, error.message),
        None => error.into(),
    }
}

/// What a caller should know about the failure, and what to do.
fn in_words(mut error: ProviderError, action: &Action) -> ApiError {
    if error.field.is_some() {
        return in_input(error);
    }
    let may_have_happened = action.access == Access::Write && !is_free(&error);
    let advice = match error.kind {
        ErrorKind::Forbidden(Denial::Plan) => {
            "The plan of the customer's account doesn't include it; nothing can be done here."
        }
        ErrorKind::Forbidden(_) if action.needs_master_key => {
            "The customer's API key may not do this: they have to give a master key, or one with this \
             endpoint in its scope."
        }
        ErrorKind::Forbidden(_) => "The customer's credentials may not do this.",
        ErrorKind::Unauthorized => {
            "The provider rejects the customer's credentials: the customer has to connect again."
        }
        ErrorKind::OutOfCredits => "The customer's account has no credits left.",
        _ if may_have_happened => {
            "It is not known whether it was carried out: look before you try again."
        }
        _ => return ApiError::from(error),
    };
    error.message = format!("{}: {advice}", error.message.trim_end_matches('.'));
    ApiError::Provider(ProviderFailure::of(&error))
}

/// Cuts the lists in a result, the longest first, until it is small enough.
fn bounded(mut result: Value) -> (Value, bool) {
    let mut is_cut = false;
    while result.to_string().len() > LARGEST_RESULT {
        let longest = longest_list(&result);
        if longest == 0 {
            break;
        }
        halve_lists(&mut result, longest);
        is_cut = true;
    }
    (result, is_cut)
}

/// The length of the longest list, at any depth.
fn longest_list(value: &Value) -> usize {
    let inside = |inner: &mut dyn Iterator<Item = &Value>| inner.map(longest_list).max();
    match value {
        Value::Array(list) => list.len().max(inside(&mut list.iter()).unwrap_or(0)),
        Value::Object(fields) => inside(&mut fields.values()).unwrap_or(0),
        _ => 0,
    }
}

/// Halves the lists of this length.
fn halve_lists(value: &mut Value, length: usize) {
    match value {
        Value::Array(list) => {
            if list.len() == length {
                list.truncate(length / 2);
            }
            for it in list {
                halve_lists(it, length);
            }
        }
        Value::Object(fields) => {
            for it in fields.values_mut() {
                halve_lists(it, length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_cut_until_it_is_small_enough_and_says_so() {
        let small = json!({"contacts": vec!["a"; 100]});
        assert_eq!(bounded(small.clone()), (small, false));
        let text = "x".repeat(400);
        let nested = json!({"contact": {"phones": vec![text.as_str(); 200]}, "total": 200});
        let wide = json!({"contacts": vec![json!({"name": text, "ids": vec!["1"; 50]}); 100]});
        for large in [nested, wide] {
            let (result, is_cut) = bounded(large);
            assert!(is_cut && result.to_string().len() <= LARGEST_RESULT);
        }
    }
}
