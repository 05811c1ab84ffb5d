//! Forecast of a sync config: what it would cost of each account's limits, and how fresh each object
//! would be. The arithmetic is the model's (`model/src/forecast.rs`); here is what it is about.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{
    Object, Order, ProviderName, ReadStrategy, RequestWindow, StoreLevel, SyncConfigData,
    VolumeLimits,
    budget::RecordWindow,
    forecast::{Counted, Forecast, Reading, RequestLimit, Use},
};
use syncline_providers::{Call, ListRequest, Provider};
use syncline_store::{Connection, PageRequest, Sync, SyncFilter, Tenant};
use utoipa::ToSchema;

use super::{providers::named_provider, sync_configs};
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Json},
    openapi::ObjectName,
};

/// The most syncs whose connections are looked at.
const MOST_SYNCS: i64 = 600;

#[derive(Deserialize, ToSchema)]
#[schema(as = forecast_sync_config)]
pub(crate) struct ForecastSyncConfig {
    /// As for a sync config; ignored.
    #[serde(default, rename = "destination_name")]
    _destination_name: Option<String>,
    /// `apollo`, `outreach` or `salesloft`.
    provider_name: String,
    config: SyncConfigData,
    /// Only this customer's connection. Without it: all of the provider, at most about a hundred.
    #[schema(nullable = false)]
    customer_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = forecast)]
pub(crate) struct ForecastBody {
    /// Whether everything fits.
    fits: bool,
    /// One for each provider account.
    accounts: Vec<AccountForecast>,
    /// `true`: there are more connections than were looked at.
    more_connections: bool,
}

/// What the schedule means for one provider account, whose connections share its limits.
#[derive(Serialize, ToSchema)]
#[schema(as = account_forecast)]
struct AccountForecast {
    customer_ids: Vec<String>,
    fits: bool,
    objects: Vec<ObjectForecast>,
    limits: Vec<LimitForecast>,
    /// What doesn't fit and why, in sentences.
    problems: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = object_forecast)]
struct ObjectForecast {
    customer_id: String,
    #[schema(value_type = ObjectName)]
    object: Object,
    /// The provider's records: the rows in the tables, or the total in the last full run if that is
    /// more. Null before the first run: the object counts as empty then.
    #[schema(required = true)]
    records_known: Option<i64>,
    /// Records that a full run reads and that count. Zero for what comes inside another object's records.
    records_per_run: i64,
    /// Requests of a full run, as the provider counts them.
    requests_per_run: i64,
    /// Whether a run would end before the last record, because of `records_per_object`.
    capped: bool,
    /// The time between two runs that the config asks for, in milliseconds.
    period_ms: i64,
    /// The time between two runs that the limits allow, in milliseconds: how old the data gets.
    forecast_period_ms: i64,
}

/// One limit, with what syncs take of it.
#[derive(Serialize, ToSchema)]
#[schema(as = limit_forecast)]
struct LimitForecast {
    /// `records` or `requests`.
    counts: &'static str,
    /// The name under which the provider counts the requests; null for records.
    #[schema(required = true)]
    endpoint: Option<String>,
    /// `minute`, `hour` or `day`.
    window: &'static str,
    /// What syncs may use: all records, and four fifths of the provider's requests.
    limit: i64,
    /// What the schedule asks for in such a window, on average.
    asked: i64,
    /// What syncs will use, on average.
    used: i64,
    fits: bool,
}

/// What a sync config would cost, without saving it.
///
/// It is arithmetic over the rows in the tables, the totals of the last full runs, and the
/// request limits in the provider's answers. Nothing is asked of the provider. Incremental runs count as if nothing
/// changed.
#[utoipa::path(post, path = "/sync_configs/_forecast", tag = "SyncConfigs",
    operation_id = "forecastSyncConfig", request_body = ForecastSyncConfig,
    responses((status = 200, description = "The forecast", body = ForecastBody)))]
pub(crate) async fn forecast_sync_config(
    caller: Caller,
    State(state): State<AppState>,
    Json(body): Json<ForecastSyncConfig>,
) -> ApiResult<JsonBody<ForecastBody>> {
    let provider = named_provider(&state.providers, "provider_name", &body.provider_name)?;
    sync_configs::check(&body.config, provider)?;
    let known = Known::of(&caller.tenant, provider.name(), body.customer_id).await?;
    let mut accounts: BTreeMap<&str, Vec<&KnownConnection>> = BTreeMap::new();
    for it in &known.connections {
        let account = accounts.entry(&it.connection.account_id).or_default();
        account.push(it);
    }
    let mut forecasts = Vec::new();
    for (account, connections) in accounts {
        let budget = state.store.budget(account).await?;
        let windows = budget.request_windows(state.clock.now());
        let requests: Vec<RequestLimit> = windows
            .map(|it| RequestLimit {
                endpoint: it.endpoint.to_owned(),
                window: it.window,
                limit: it.limit,
            })
            .collect();
        // Where connections of an account have limits of their own, those of the first.
        let limits = state.limits_of(&connections[0].connection);
        let plan = Plan {
            provider,
            config: &body.config,
            limits,
        };
        forecasts.push(plan.of_account(&connections, &requests)?);
    }
    Ok(JsonBody(ForecastBody {
        fits: forecasts.iter().all(|account| account.fits),
        accounts: forecasts,
        more_connections: known.more,
    }))
}

/// The connections, with the totals that are known of them.
struct Known {
    connections: Vec<KnownConnection>,
    more: bool,
}

struct KnownConnection {
    connection: Connection,
    totals: BTreeMap<Object, i64>,
}

/// By customer and object.
type Totals = BTreeMap<String, BTreeMap<Object, i64>>;

impl Known {
    async fn of(
        tenant: &Tenant,
        provider: ProviderName,
        customer_id: Option<String>,
    ) -> ApiResult<Self> {
        let filter = SyncFilter {
            customer_id: customer_id.clone(),
            provider_name: Some(provider.to_string()),
            ..SyncFilter::default()
        };
        let page = PageRequest {
            limit: MOST_SYNCS,
            ..PageRequest::default()
        };
        let syncs = tenant.list_syncs(&filter, &page).await?;
        let mut customers: BTreeSet<&str> =
            syncs.iter().map(|it| it.customer_id.as_str()).collect();
        customers.extend(customer_id.as_deref());
        let customers: Vec<&str> = customers.into_iter().collect();
        let mut totals = totals(tenant, provider, &syncs, &customers).await?;
        let found = tenant.connections_of(&customers, provider).await?;
        if let (Some(customer_id), true) = (&customer_id, found.is_empty()) {
            return Err(ApiError::NotFound(format!(
                "Can't find connection of {customer_id} with {provider}"
            )));
        }
        let known = found.into_iter().map(|connection| KnownConnection {
            totals: totals.remove(&connection.customer_id).unwrap_or_default(),
            connection,
        });
        Ok(Self {
            connections: known.collect(),
            more: i64::try_from(syncs.len()).is_ok_and(|read| read >= MOST_SYNCS),
        })
    }
}

/// The rows in the tables, or what the last full run saw, or its total if that is more. An incremental
/// run sees what changed, which says nothing about the whole.
async fn totals(
    tenant: &Tenant,
    provider: ProviderName,
    syncs: &[Sync],
    customers: &[&str],
) -> ApiResult<Totals> {
    let mut totals = Totals::new();
    let mut add = |customer_id: String, object, total: i64| {
        let known = totals.entry(customer_id).or_default();
        let known = known.entry(object).or_default();
        *known = total.max(*known);
    };
    for object in Object::ALL {
        let rows = tenant.count_rows(*object, provider, customers).await?;
        for (customer_id, rows) in rows {
            add(customer_id, *object, rows);
        }
    }
    let runs = tenant.last_runs(syncs).await?.into_iter();
    for run in runs.filter(|run| run.strategy == ReadStrategy::Full) {
        let seen = run
            .coverage
            .map(|it| it.records_reported.unwrap_or(it.records_seen));
        if let Some(total) = run.records_reported.or(seen) {
            add(run.customer_id, run.object, total);
        }
    }
    Ok(totals)
}

/// A config at a provider, under limits.
struct Plan<'p> {
    provider: &'p dyn Provider,
    config: &'p SyncConfigData,
    limits: VolumeLimits,
}

impl Plan<'_> {
    fn of_account(
        &self,
        connections: &[&KnownConnection],
        requests: &[RequestLimit],
    ) -> ApiResult<AccountForecast> {
        let objects = self.config.objects();
        let objects =
            objects.map_err(|invalid| ApiError::validation(invalid.field, invalid.reason))?;
        let mut readings = Vec::new();
        let mut whose = Vec::new();
        for it in connections {
            for (object, period_ms) in &objects {
                readings.push(self.reading(*object, *period_ms, it.totals.get(object).copied()));
                whose.push(*it);
            }
        }
        let forecast = Forecast::of(&readings, &self.limits, requests);
        let mut objects: Vec<ObjectForecast> = readings
            .iter()
            .zip(&forecast.periods)
            .zip(&whose)
            .map(|((reading, period), of)| {
                ObjectForecast::new(reading, period.num_milliseconds(), of)
            })
            .collect();
        self.wait_for_carriers(&mut objects);
        let problems = problems(&objects, &forecast.uses, &self.limits);
        Ok(AccountForecast {
            customer_ids: connections
                .iter()
                .map(|it| it.connection.customer_id.clone())
                .collect(),
            fits: problems.is_empty(),
            objects,
            limits: forecast.uses.into_iter().map(Into::into).collect(),
            problems,
        })
    }

    /// What comes inside another object's records is read when that is.
    fn wait_for_carriers(&self, objects: &mut [ObjectForecast]) {
        for at in 0..objects.len() {
            let carrier = self.provider.support(objects[at].object).carried_in;
            let of_carrier = objects
                .iter()
                .find(|it| Some(it.object) == carrier && it.customer_id == objects[at].customer_id);
            if let Some(period) = of_carrier.map(|it| it.forecast_period_ms) {
                let own = &mut objects[at].forecast_period_ms;
                *own = period.max(*own);
            }
        }
    }

    fn reading(&self, object: Object, period_ms: i64, total: Option<i64>) -> Reading {
        let support = self.provider.support(object);
        let configured = |object: Object| {
            let mut objects = self.config.common_objects.iter();
            objects.any(|it| it.object == object.as_str())
                && self.config.store_policy(object).level != StoreLevel::None
        };
        // What comes inside another object's records takes nothing more.
        let carried = support.carried_in.is_some_and(configured);
        let page_size = support.page_size.map(i64::from);
        let most = self.limits.records_per_object.map(|limit| match page_size {
            Some(size) => limit - limit % size,
            None => limit,
        });
        let total = total.unwrap_or_default();
        let records = most.map_or(total, |most| total.min(most));
        let pages = page_size.map_or(1, |size| {
            records.div_euclid(size) + i64::from(records % size > 0)
        });
        Reading {
            object,
            period: chrono::TimeDelta::milliseconds(period_ms),
            records: if carried { 0 } else { records },
            requests: if carried {
                0
            } else {
                self.cost(object, pages.max(1))
            },
            endpoint: self
                .provider
                .endpoint(Call::List(support.carried_in.unwrap_or(object))),
            incrementals: if support.incremental {
                self.config.most_incrementals(object).unwrap_or_default()
            } else {
                0
            },
        }
    }

    /// What so many pages take: each as much as the first, because lists are read so that late pages cost
    /// no more.
    fn cost(&self, object: Object, pages: i64) -> i64 {
        let first = ListRequest {
            page: 1,
            token: None,
            since: None,
            order: Order::OldestFirst,
        };
        pages.saturating_mul(self.provider.cost_of_page(object, first))
    }
}

impl ObjectForecast {
    fn new(reading: &Reading, forecast_ms: i64, of: &KnownConnection) -> Self {
        let known = of.totals.get(&reading.object).copied();
        Self {
            customer_id: of.connection.customer_id.clone(),
            object: reading.object,
            records_known: known,
            records_per_run: reading.records,
            requests_per_run: reading.requests,
            capped: reading.records > 0 && known.is_some_and(|known| known > reading.records),
            period_ms: reading.period.num_milliseconds(),
            forecast_period_ms: forecast_ms,
        }
    }
}

fn problems(objects: &[ObjectForecast], uses: &[Use], limits: &VolumeLimits) -> Vec<String> {
    let capped = objects.iter().filter(|it| it.capped).map(|it| {
        format!(
            "{} of {}: {} records are known, and a run reads {} at most (records_per_object is {})",
            it.object.plural(),
            it.customer_id,
            it.records_known.unwrap_or_default(),
            it.records_per_run,
            limits.records_per_object.unwrap_or_default(),
        )
    });
    let over = uses.iter().filter(|it| !it.fits()).map(|it| {
        let LimitForecast {
            counts,
            endpoint,
            window,
            limit,
            asked,
            ..
        } = it.clone().into();
        let at = endpoint
            .map(|endpoint| format!(" to {endpoint}"))
            .unwrap_or_default();
        format!(
            "the schedule asks for {asked} {counts}{at} per {window}, and syncs may use {limit}"
        )
    });
    let late = objects
        .iter()
        .filter(|it| it.forecast_period_ms > it.period_ms)
        .map(|it| {
            format!(
                "{} of {} would be read every {} minutes instead of every {}",
                it.object.plural(),
                it.customer_id,
                it.forecast_period_ms / 60_000,
                it.period_ms / 60_000,
            )
        });
    capped.chain(over).chain(late).collect()
}

impl From<Use> for LimitForecast {
    fn from(it: Use) -> Self {
        let fits = it.fits();
        let (counts, endpoint, window) = match it.of {
            Counted::Records(RecordWindow::Hour) => ("records", None, RequestWindow::Hour),
            Counted::Records(RecordWindow::Day) => ("records", None, RequestWindow::Day),
            Counted::Requests { endpoint, window } => ("requests", Some(endpoint), window),
        };
        Self {
            counts,
            endpoint,
            window: window.as_str(),
            limit: it.limit,
            asked: it.asked,
            used: it.used,
            fits,
        }
    }
}
