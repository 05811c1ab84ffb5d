//! Actions that the synced tables answer: no provider is asked, and the answer says how fresh it is.

use serde::Serialize;
use serde_json::{Map, Value, json};
use syncline_model::{
    Account, Contact, Coverage, Mailbox, Object, Sequence, SequenceState, User, coverage::Verdict,
};
use syncline_store::{PageRequest, RunFilter, Search, SyncFilter, SyncRun, Table};

use super::make::OnBehalf;
use crate::{
    AppState,
    engagement::{
        cached,
        records::{GetRecord, ListRecords, SearchRecords},
    },
    error::{ApiError, ApiResult},
    mgmt::syncs::SyncBody,
};

/// A read of the tables, as the action of this name describes it.
pub(super) async fn answer(
    state: &AppState,
    who: &OnBehalf<'_>,
    name: &str,
    input: &Value,
) -> ApiResult<Value> {
    let input = input.as_object().cloned().unwrap_or_default();
    match name {
        "records.search" => search(state, who, &input).await,
        "records.get" => get(state, who, &input).await,
        "sync.status" => status(who).await,
        other => Err(ApiError::Internal(format!("no table answers {other}"))),
    }
}

/// The input has been checked, so an object that is none can't come.
fn object_of(input: &Map<String, Value>) -> ApiResult<Object> {
    let name = text(input, "object").unwrap_or_default();
    name.parse()
        .map_err(|_| ApiError::validation("object", "is not a table"))
}

fn text<'i>(input: &'i Map<String, Value>, field: &str) -> Option<&'i str> {
    input.get(field).and_then(Value::as_str)
}

async fn search(
    state: &AppState,
    who: &OnBehalf<'_>,
    input: &Map<String, Value>,
) -> ApiResult<Value> {
    let object = object_of(input)?;
    check_filters(object, input)?;
    let page = match object {
        Object::User => page::<User>(state, who, input).await,
        Object::Account => page::<Account>(state, who, input).await,
        Object::Contact => page::<Contact>(state, who, input).await,
        Object::Sequence => page::<Sequence>(state, who, input).await,
        Object::SequenceState => page::<SequenceState>(state, who, input).await,
        Object::Mailbox => page::<Mailbox>(state, who, input).await,
    }?;
    Ok(json!({
        "records": page["records"],
        "next": page["pagination"]["next"],
        "total": page["pagination"]["total_count"],
        "freshness": freshness(who, object).await?,
    }))
}

/// Each filter is of one object, and a list of changes has none.
fn check_filters(object: Object, input: &Map<String, Value>) -> ApiResult<()> {
    for (field, of) in [
        ("emails", Object::Contact),
        ("name", Object::Account),
        ("domain", Object::Account),
        ("contact_id", Object::SequenceState),
        ("sequence_id", Object::SequenceState),
    ] {
        if !input.contains_key(field) {
            continue;
        }
        if object != of {
            let reason = format!(
                "filters {} only; leave it out for {}",
                of.plural(),
                object.plural()
            );
            return Err(ApiError::validation(field, reason));
        }
        if input.contains_key("modified_after") {
            let reason = format!("can't be combined with {field}");
            return Err(ApiError::validation("modified_after", reason));
        }
    }
    Ok(())
}

async fn page<T: Table + Serialize>(
    state: &AppState,
    who: &OnBehalf<'_>,
    input: &Map<String, Value>,
) -> ApiResult<Value> {
    let emails: Vec<String> = input
        .get("emails")
        .and_then(|it| serde_json::from_value(it.clone()).ok())
        .unwrap_or_default();
    let (name, domain) = (text(input, "name"), text(input, "domain"));
    let (contact_id, sequence_id) = (text(input, "contact_id"), text(input, "sequence_id"));
    let search = match T::OBJECT {
        Object::Contact if !emails.is_empty() => Some(Search::Emails(&emails)),
        Object::Account if name.or(domain).is_some() => Some(Search::Account { name, domain }),
        Object::SequenceState if contact_id.or(sequence_id).is_some() => Some(Search::State {
            contact_id,
            sequence_id,
        }),
        _ => None,
    };
    let size = input.get("limit").and_then(Value::as_i64).unwrap_or(10);
    let cursor = text(input, "cursor");
    let list = if let Some(search) = search {
        let asked = SearchRecords::of_tables(size, cursor);
        cached::search::<T>(state, who.connection, &asked, search).await?
    } else {
        let asked = ListRecords::of_tables(size, cursor, text(input, "modified_after"));
        let after = asked.modified_after()?;
        cached::list::<T>(state, who.connection, &asked, after).await?
    };
    list.value()
}

async fn get(state: &AppState, who: &OnBehalf<'_>, input: &Map<String, Value>) -> ApiResult<Value> {
    let object = object_of(input)?;
    let id = text(input, "id").unwrap_or_default();
    let record = match object {
        Object::User => one::<User>(state, who, id).await,
        Object::Account => one::<Account>(state, who, id).await,
        Object::Contact => one::<Contact>(state, who, id).await,
        Object::Sequence => one::<Sequence>(state, who, id).await,
        Object::SequenceState => one::<SequenceState>(state, who, id).await,
        Object::Mailbox => one::<Mailbox>(state, who, id).await,
    }?;
    Ok(json!({"record": record, "freshness": freshness(who, object).await?}))
}

async fn one<T: Table + Serialize>(
    state: &AppState,
    who: &OnBehalf<'_>,
    id: &str,
) -> ApiResult<Value> {
    let asked = GetRecord::of_tables();
    to_json(&cached::get::<T>(state, who.connection, id, &asked).await?)
}

fn to_json(value: &impl Serialize) -> ApiResult<Value> {
    serde_json::to_value(value).map_err(|error| ApiError::Internal(error.to_string()))
}

/// What the last run that succeeded saw of the object.
async fn freshness(who: &OnBehalf<'_>, object: Object) -> ApiResult<Value> {
    let filter = RunFilter {
        customer_id: Some(who.connection.customer_id.clone()),
        provider_name: Some(who.connection.provider.as_str().to_owned()),
        object: Some(object.as_str().to_owned()),
        status: Some("SUCCESS".to_owned()),
        ..RunFilter::default()
    };
    let newest = PageRequest {
        cursor: None,
        reverse: false,
        limit: 1,
    };
    let run: Option<SyncRun> = who.tenant.list_runs(&filter, &newest).await?.pop();
    let ended = run.as_ref().and_then(|run| run.finished_at);
    let coverage = run.and_then(|run| run.coverage);
    Ok(json!({
        "last_synced_at": ended.map(syncline_model::time::format),
        "coverage": coverage.as_ref().map(|it| it.verdict),
        "advice": advice(coverage.as_ref()),
    }))
}

fn advice(coverage: Option<&Coverage>) -> &'static str {
    match coverage.map(|it| it.verdict) {
        None => "No sync has succeeded yet: what is missing here may be at the provider.",
        Some(Verdict::Complete | Verdict::Incremental) => {
            "The table has everything that the provider showed then."
        }
        Some(Verdict::Drifted) => {
            "Records changed while they were read: one that is missing here may be at the provider."
        }
        Some(Verdict::Capped) => {
            "A limit ended the last run: older records may be missing or out of date here."
        }
        Some(Verdict::Interrupted) => {
            "The last run ended early: records may be missing or out of date here."
        }
    }
}

async fn status(who: &OnBehalf<'_>) -> ApiResult<Value> {
    let filter = SyncFilter {
        customer_id: Some(who.connection.customer_id.clone()),
        provider_name: Some(who.connection.provider.as_str().to_owned()),
        ..SyncFilter::default()
    };
    let all = PageRequest {
        cursor: None,
        reverse: false,
        limit: 20,
    };
    let syncs = who.tenant.list_syncs(&filter, &all).await?;
    let syncs = SyncBody::with_last_runs(who.tenant, syncs).await?;
    let syncs = syncs.iter().map(|sync| {
        let sync = to_json(sync)?;
        let last = &sync["last_run"];
        Ok(json!({
            "object": sync["object"],
            "state": sync["state"],
            "paused_reason": sync["paused_reason"],
            "last_run_status": last["status"],
            "last_run_ended_at": last["end_timestamp"],
            "last_run_coverage": last["coverage"]["verdict"],
            "last_run_error": last["error_message"],
            "records_read": sync["progress"]["records_read"],
            "next_run_at": sync["next_run_at"],
        }))
    });
    Ok(json!({"syncs": syncs.collect::<ApiResult<Vec<Value>>>()?}))
}
