//! Quotas, their headers and their refusals.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncline_sim::{Options, Plan, Quota, SimReply, SimRequest, Simulator, Switches};

use crate::{KEY, noon, post, sim};

fn limited(quota: Quota, switches: Switches) -> Simulator {
    let mut options = Options {
        switches,
        ..Options::with_contacts(10)
    };
    options.teams[0].plan = Plan::Custom(quota);
    Simulator::new(options)
}

fn search(sim: &Simulator, at: DateTime<Utc>) -> SimReply {
    sim.respond(
        at,
        &SimRequest::post("/api/v1/contacts/search", &json!({})).key(KEY),
    )
}

#[test]
fn a_plan_without_limits_announces_empty_values_and_no_usage() {
    let reply = post(&sim(10), "contacts/search", &json!({}));
    for window in ["minute", "hourly", "24-hour"] {
        assert_eq!(reply.header(&format!("x-rate-limit-{window}")), Some(""));
        assert_eq!(reply.header(&format!("x-{window}-usage")), None);
        assert_eq!(reply.header(&format!("x-{window}-requests-left")), None);
    }
}

#[test]
fn limits_usage_and_rest_are_in_the_headers_of_every_answer() {
    let sim = limited(Quota::new(50, 200, 600), Switches::default());
    search(&sim, noon());
    let reply = search(&sim, noon() + TimeDelta::seconds(90));
    let expected = [
        ("x-rate-limit-minute", "50"),
        ("x-minute-usage", "1"),
        ("x-minute-requests-left", "49"),
        ("x-rate-limit-hourly", "200"),
        ("x-hourly-usage", "2"),
        ("x-hourly-requests-left", "198"),
        ("x-rate-limit-24-hour", "600"),
        ("x-24-hour-usage", "2"),
        ("x-24-hour-requests-left", "598"),
    ];
    for (name, value) in expected {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
}

#[test]
fn the_call_over_the_quota_is_429_until_the_window_closes() {
    let sim = limited(Quota::new(100, 2, 100), Switches::default());
    assert_eq!(search(&sim, noon()).status, 200);
    assert_eq!(search(&sim, noon() + TimeDelta::minutes(30)).status, 200);
    let late = noon() + TimeDelta::minutes(59) + TimeDelta::milliseconds(500);
    let refused = search(&sim, late);
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.text(),
        "{\"message\":\"The maximum number of api calls allowed for api/v1/contacts/search is 2 times per hour. Please \
         upgrade your plan from https://app.apollo.io/#/settings/plans/upgrade?source=api_rate_limit.\",\
         \"error_details\":{\"code\":\"USAGE.RATE_LIMIT.API_RATE_LIMIT_EXCEEDED\"}}"
    );
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.header("x-hourly-requests-left"), Some("0"));
    assert_eq!(
        search(&sim, noon() + TimeDelta::minutes(60)).status,
        200,
        "opened by the first call, not by the clock"
    );
}

#[test]
fn each_action_has_windows_of_its_own_shared_by_its_methods_and_by_all_keys() {
    let sim = limited(Quota::new(1, 100, 100), Switches::default());
    assert_eq!(search(&sim, noon()).status, 200);
    let scoped = SimRequest::post("/api/v1/contacts/search", &json!({})).key("sim-scoped-key");
    assert_eq!(sim.respond(noon(), &scoped).status, 429);
    let get = SimRequest::get("/api/v1/emailer_campaigns/search").key(KEY);
    assert_eq!(sim.respond(noon(), &get).status, 200);
    assert_eq!(
        post(&sim, "emailer_campaigns/search", &json!({})).status,
        429
    );
    let boxes = SimRequest::get("/api/v1/email_accounts").key(KEY);
    assert_eq!(sim.respond(noon(), &boxes).status, 200);
    let refused = sim.respond(noon(), &boxes).text();
    assert!(
        refused.contains("allowed for api/v1/email_accounts is 1 times per minute"),
        "{refused}"
    );
}

#[test]
fn rejected_calls_and_invalid_calls_count_as_switched() {
    let used = |sim: &Simulator| {
        search(sim, noon() + TimeDelta::minutes(2))
            .header("x-hourly-usage")
            .map(str::to_owned)
    };
    for (rejected_calls_count, expected) in [(false, "2"), (true, "4")] {
        let sim = limited(
            Quota::new(1, 100, 100),
            Switches {
                rejected_calls_count,
                ..Switches::default()
            },
        );
        for status in [200, 429, 429] {
            assert_eq!(search(&sim, noon()).status, status);
        }
        assert_eq!(used(&sim).as_deref(), Some(expected));
    }
    for (invalid_calls_count, expected) in [(false, "1"), (true, "2")] {
        let sim = limited(
            Quota::new(10, 100, 100),
            Switches {
                invalid_calls_count,
                ..Switches::default()
            },
        );
        let refused = post(&sim, "contacts/search", &json!({"per_page": 101}));
        assert_eq!(refused.status, 422);
        let own = if invalid_calls_count { "1" } else { "0" };
        assert_eq!(refused.header("x-hourly-usage"), Some(own));
        assert_eq!(used(&sim).as_deref(), Some(expected));
    }
}

#[test]
fn retry_after_can_be_withheld() {
    let sim = limited(
        Quota::new(1, 9, 9),
        Switches {
            retry_after: false,
            ..Switches::default()
        },
    );
    search(&sim, noon());
    let refused = search(&sim, noon());
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
}

#[test]
fn usage_statistics_tell_what_is_used() {
    let sim = limited(Quota::new(200, 600, 6_000), Switches::default());
    search(&sim, noon());
    let stats = post(&sim, "usage_stats/api_usage_stats", &json!({})).json();
    let searches = &stats[r#"["api/v1/contacts", "search"]"#];
    assert_eq!(
        searches["day"],
        json!({"limit": 6000, "consumed": 1, "left_over": 5999})
    );
    assert_eq!(
        searches["minute"],
        json!({"limit": 200, "consumed": 1, "left_over": 199})
    );
    assert_eq!(
        stats[r#"["api/v1/users", "search"]"#]["hour"]["consumed"],
        0
    );
}

#[test]
fn paid_plans_have_more_room_for_enrichment_and_no_limit_by_the_hour() {
    for (plan, expected) in [
        (Plan::Free, [Some("50"), Some("200"), Some("600")]),
        (Plan::Professional, [Some("1000"), Some(""), Some("")]),
        (
            Plan::Custom(Quota::new(7, 8, 9)),
            [Some("7"), Some("8"), Some("9")],
        ),
    ] {
        let mut options = Options::with_contacts(10);
        options.teams[0].plan = plan;
        let sim = Simulator::new(options);
        let reply = post(&sim, "people/match", &json!({"email": "nobody@x.example"}));
        let limits = ["minute", "hourly", "24-hour"];
        let limits = limits.map(|window| reply.header(&format!("x-rate-limit-{window}")));
        assert_eq!(limits, expected, "{plan:?}");
    }
}
