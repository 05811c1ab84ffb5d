use bytes::Bytes;
use serde_json::json;
use syncline_model::enrichment::Lead;

use super::*;
use crate::http::HeaderMap;

fn leads(domains: &[&str]) -> Vec<Lead> {
    let lead = |domain: &&str| Lead {
        domain: Some((*domain).to_owned()),
        ..Lead::default()
    };
    domains.iter().map(lead).collect()
}

fn answer(kind: Kind, leads: &[Lead], body: &Value) -> Result<MatchAnswer, String> {
    answer_with(MatchOptions::default(), kind, leads, body)
}

fn answer_with(
    options: MatchOptions,
    kind: Kind,
    leads: &[Lead],
    body: &Value,
) -> Result<MatchAnswer, String> {
    let response = Response {
        status: 200,
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
    };
    let batch = Batch {
        kind,
        options: &options,
        leads,
        callback_url: None,
    };
    answer_in(&response, &batch)
}

#[test]
fn a_part_of_a_credit_counts_as_a_whole_one() {
    let leads = leads(&["a.example"]);
    let body = |credits: Value| json!({"matches": [null], "credits_consumed": credits});
    let credits = |it| answer(Kind::People, &leads, &body(it)).unwrap().credits;
    assert_eq!(credits(json!(0.25)), Some(1));
    assert_eq!(credits(json!(2)), Some(2));
    assert_eq!(credits(json!(-1)), Some(0));
}

#[test]
fn an_answer_without_its_cost_costs_one_for_each_match_and_a_waterfalls_comes_later() {
    let leads = leads(&["a.example", "b.example"]);
    let ines = json!({"id": "p1", "name": "Ines Heron"});
    let plain = json!({"matches": [ines, null]});
    let plain = answer(Kind::People, &leads, &plain).unwrap();
    assert_eq!(
        (plain.credits, plain.comes_later),
        (Some(1), ComesLater::Nothing)
    );
    let waterfall = json!({"matches": [ines, null], "waterfall": {"status": "accepted"}});
    let of_emails = MatchOptions {
        run_waterfall_email: true,
        ..MatchOptions::default()
    };
    let later = answer_with(of_emails, Kind::People, &leads, &waterfall).unwrap();
    assert_eq!(
        (later.credits, later.comes_later),
        (None, ComesLater::ToCallback)
    );
    let of_numbers = answer(Kind::People, &leads, &waterfall).unwrap();
    assert_eq!(
        (of_numbers.credits, of_numbers.comes_later),
        (Some(1), ComesLater::ToCallback)
    );
}

#[test]
fn an_entry_with_nothing_but_what_was_asked_is_nobody() {
    let leads = leads(&["a.example"]);
    let stranger = json!({"matches": [{"id": "p1", "name": "", "email": "who@heron.example"}]});
    let stranger = answer(Kind::People, &leads, &stranger).unwrap();
    assert!(stranger.matches[0].is_none());
}

#[test]
fn an_answer_that_fits_no_lead_is_refused_as_a_whole() {
    let leads = leads(&["a.example", "b.example"]);
    let short = json!({"matches": [null]});
    assert!(answer(Kind::People, &leads, &short).is_err());
    assert!(answer(Kind::People, &leads, &json!([])).is_err());
}

#[test]
fn companies_that_are_left_out_are_the_unknown_ones() {
    let leads = leads(&["a.example", "b.example", "c.example"]);
    let body = json!({"organizations": [{"id": "o1", "name": "C", "primary_domain": "c.example"}]});
    let answer = answer(Kind::Companies, &leads, &body).unwrap();
    let found: Vec<bool> = answer.matches.iter().map(Option::is_some).collect();
    assert_eq!((found, answer.credits), (vec![false, false, true], Some(1)));
}
