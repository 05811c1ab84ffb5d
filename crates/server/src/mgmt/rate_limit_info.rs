//! How much of its provider account's limits a connection has left: the provider's request limits
//! and our record limits.

use std::collections::BTreeMap;

use axum::{Json as JsonBody, extract::State};
use serde::Serialize;
use syncline_model::{Budget, RecordWindow, RequestWindow, Time, VolumeLimits, WindowState};
use utoipa::ToSchema;

use super::connections::find_named;
use crate::{
    AppState,
    error::ApiResult,
    extract::{Caller, Path},
};

#[derive(Serialize, ToSchema)]
#[schema(as = rate_limit_info)]
pub(crate) struct RateLimitInfo {
    /// The daily window with the smallest share left, among all endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    daily: Option<SingleRateLimitInfo>,
    /// The hourly window with the smallest share left, among all endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hourly: Option<SingleRateLimitInfo>,
    /// Every window of every endpoint, as reported by the provider's answers: `contacts/search per
    /// minute` and so on. Absent until the provider was asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    other: BTreeMap<String, SingleRateLimitInfo>,
    records: RecordLimits,
}

/// Requests in one of the provider's windows.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = single_rate_limit_info)]
struct SingleRateLimitInfo {
    limit: i64,
    remaining: i64,
    /// When the full limit is available again, at the latest, in seconds since 1970. Absent if it
    /// is available now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reset_time: Option<i64>,
}

/// Records that syncs may read from the provider account.
#[derive(Serialize, ToSchema)]
#[schema(as = record_limits)]
struct RecordLimits {
    /// The most that one run of one object reads; null: any number.
    #[schema(required = true)]
    per_object: Option<i64>,
    per_hour: RecordWindowBody,
    per_day: RecordWindowBody,
    /// When the day's records were read or reserved: hours counted back from now, oldest first, without
    /// those in which there were none.
    by_hour: Vec<HourBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = record_hour)]
struct HourBody {
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    records: i64,
}

/// The last 60 minutes, or the last 24 hours.
#[derive(Serialize, ToSchema)]
#[schema(as = record_window)]
struct RecordWindowBody {
    /// Null: any number may be read.
    #[schema(required = true)]
    limit: Option<i64>,
    /// Records read by all connections of the account.
    used: i64,
    /// Reserved in addition: for requests in flight, and for those whose result is unknown (after a
    /// crash or a lost answer). They count until they are settled, or as long as records that were
    /// read.
    reserved: i64,
    /// When the oldest of them leaves the window. Null if there is nothing.
    #[serde(with = "syncline_model::time::millis_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    resets_at: Option<Time>,
}

/// What is left of the limits of the connection's provider account.
///
/// `daily`, `hourly` and `other` are the provider's own request limits, as reported by its last
/// answers. `records` is what syncs may read.
#[utoipa::path(get, path = "/customers/{customer_id}/connections/{provider_name}/_rate_limit_info",
    tag = "Connections", operation_id = "getConnectionRateLimitInfo",
    params(("customer_id" = String, Path, description = "Your id for the customer"),
        ("provider_name" = String, Path, description = "The provider's name")),
    responses((status = 200, description = "The limits", body = RateLimitInfo)))]
pub(crate) async fn get_rate_limit_info(
    caller: Caller,
    State(state): State<AppState>,
    Path((customer_id, provider_name)): Path<(String, String)>,
) -> ApiResult<JsonBody<RateLimitInfo>> {
    let connection = find_named(&caller, &customer_id, &provider_name).await?;
    let budget = state.store.budget(&connection.account_id).await?;
    let limits = state.limits_of(&connection);
    Ok(JsonBody(RateLimitInfo::new(
        &budget,
        limits,
        state.clock.now(),
    )))
}

impl RateLimitInfo {
    fn new(budget: &Budget, limits: VolumeLimits, now: Time) -> Self {
        let windows: Vec<WindowState<'_>> = budget.request_windows(now).collect();
        let by_hour = budget.records_by_hour(now).into_iter();
        let records = |window: RecordWindow| {
            RecordWindowBody::new(budget, window, window.limit(&limits), now)
        };
        Self {
            daily: tightest(&windows, RequestWindow::Day).map(Into::into),
            hourly: tightest(&windows, RequestWindow::Hour).map(Into::into),
            other: windows
                .iter()
                .map(|state| (name_of(state), state.into()))
                .collect(),
            records: RecordLimits {
                per_object: limits.records_per_object,
                per_hour: records(RecordWindow::Hour),
                per_day: records(RecordWindow::Day),
                by_hour: by_hour
                    .map(|(from, records)| HourBody { from, records })
                    .collect(),
            },
        }
    }
}

impl RecordWindowBody {
    fn new(budget: &Budget, window: RecordWindow, limit: Option<i64>, now: Time) -> Self {
        let used = budget.records_used(window, now);
        Self {
            limit,
            used: used.used,
            reserved: used.reserved,
            resets_at: used.resets_at,
        }
    }
}

impl From<&WindowState<'_>> for SingleRateLimitInfo {
    fn from(state: &WindowState<'_>) -> Self {
        Self {
            limit: state.limit,
            remaining: state.left,
            reset_time: state.resets_at.map(whole_seconds),
        }
    }
}

fn name_of(state: &WindowState<'_>) -> String {
    format!("{} per {}", state.endpoint, state.window.as_str())
}

/// The window of this length in which an endpoint has the smallest share left.
fn tightest<'w, 's>(
    windows: &'w [WindowState<'s>],
    window: RequestWindow,
) -> Option<&'w WindowState<'s>> {
    windows
        .iter()
        .filter(|state| state.window == window)
        .min_by(|a, b| {
            let (a_share, b_share) = (
                i128::from(a.left) * i128::from(b.limit),
                i128::from(b.left) * i128::from(a.limit),
            );
            a_share.cmp(&b_share)
        })
}

/// Rounded up, so that it is never too early.
fn whole_seconds(time: Time) -> i64 {
    time.timestamp() + i64::from(time.timestamp_subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use syncline_model::WindowUsage;

    use super::*;

    fn usage(window: RequestWindow, limit: i64, left: i64) -> WindowUsage {
        WindowUsage {
            window,
            limit,
            left,
        }
    }

    #[test]
    fn nothing_is_known_before_anything_was_asked() {
        let info = RateLimitInfo::new(
            &Budget::default(),
            VolumeLimits::default(),
            Time::UNIX_EPOCH,
        );
        assert_eq!(
            serde_json::to_value(info).unwrap(),
            serde_json::json!({"records": {
                "per_object": 10_000,
                "per_hour": {"limit": 10_000, "used": 0, "reserved": 0, "resets_at": null},
                "per_day": {"limit": 50_000, "used": 0, "reserved": 0, "resets_at": null},
                "by_hour": [],
            }})
        );
    }

    #[test]
    fn the_day_and_the_hour_are_those_of_the_endpoint_with_the_smallest_share_left() {
        let now = Time::from_timestamp_millis(1_500).unwrap();
        let mut budget = Budget::default();
        let contacts = [
            usage(RequestWindow::Hour, 400, 100),
            usage(RequestWindow::Day, 2_000, 1_000),
        ];
        let users = [
            usage(RequestWindow::Hour, 200, 100),
            usage(RequestWindow::Day, 600, 240),
        ];
        budget.learn("contacts/search", &contacts, now);
        budget.learn("users/search", &users, now);
        let info = RateLimitInfo::new(&budget, VolumeLimits::default(), now);
        let (hourly, daily) = (info.hourly.unwrap(), info.daily.unwrap());
        assert_eq!((hourly.limit, hourly.remaining), (400, 100));
        assert_eq!((daily.limit, daily.remaining), (600, 240));
        // An hour after 1.5 s, rounded up.
        assert_eq!(hourly.reset_time, Some(3_602));
        assert_eq!(info.other.len(), 4);
        assert_eq!(info.other["users/search per day"].remaining, 240);
    }
}
