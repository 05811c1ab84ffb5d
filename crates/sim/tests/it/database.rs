//! Apollo's own database: searching for people, and what enrichment tells of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use syncline_sim::{
    Action, Claim, Fault, FreePlan, Match, Options, Plan, SimReply, SimRequest, Simulator, Team,
    TeamOptions,
};

use crate::{get, ids, keys, noon, post, sim};

const PEOPLE: &str = "mixed_people/api_search";
const COMPANIES: &str = "mixed_companies/search";

fn people(sim: &Simulator, filters: &Value) -> Vec<Value> {
    let mut body = filters.clone();
    body["per_page"] = json!(100);
    let reply = post(sim, PEOPLE, &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["people"].as_array().unwrap().clone()
}

fn matched(sim: &Simulator, person: &Value) -> Value {
    let reply = post(sim, "people/match", &json!({"id": person["id"]}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["person"].clone()
}

fn credits(sim: &Simulator) -> u64 {
    sim.read(0, Team::credits)
}

fn refusal(reply: &SimReply) -> (u16, String) {
    (reply.status, reply.text())
}

#[test]
fn people_are_found_for_free_and_without_their_addresses() {
    let sim = sim(10);
    let reply = post(&sim, PEOPLE, &json!({}));
    assert_eq!(keys(&reply.text()), ["total_entries", "people"]);
    assert!(!reply.text().contains('@'));
    let found = reply.json();
    assert_eq!(found["total_entries"], 120);
    let people = found["people"].as_array().unwrap();
    assert_eq!(people.len(), 25);
    let fields: BTreeSet<&str> = people[0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        BTreeSet::from([
            "first_name",
            "has_city",
            "has_country",
            "has_direct_phone",
            "has_email",
            "has_state",
            "id",
            "last_name_obfuscated",
            "last_refreshed_at",
            "organization",
            "title",
        ])
    );
    assert_eq!(credits(&sim), 100);
}

#[test]
fn enrichment_tells_for_a_credit_what_a_search_held_back() {
    let sim = sim(10);
    let found = people(&sim, &json!({}));
    let hidden = found
        .iter()
        .find(|person| person["has_email"] == true)
        .unwrap();
    let person = matched(&sim, hidden);
    assert_eq!(credits(&sim), 99);
    assert_eq!(person["id"], hidden["id"]);
    assert_eq!(person["title"], hidden["title"]);
    let last_name = person["last_name"].as_str().unwrap();
    let (start, end) = hidden["last_name_obfuscated"]
        .as_str()
        .unwrap()
        .split_once("***")
        .unwrap();
    assert!(last_name.starts_with(start) && last_name.ends_with(end));
    assert_eq!(start.chars().count(), 2);
    let address = person["email"].as_str().unwrap();
    let company = &person["organization"];
    assert_eq!(company["name"], hidden["organization"]["name"]);
    assert!(address.ends_with(&format!("@{}", company["primary_domain"].as_str().unwrap())));
    assert!(person.get("contact_id").is_none());

    let by_address = post(&sim, "people/match", &json!({"email": address})).json();
    assert_eq!(by_address["person"], person);
    let domain = company["primary_domain"].as_str().unwrap();
    let enriched = get(&sim, &format!("organizations/enrich?domain={domain}")).json();
    assert_eq!(enriched["organization"], *company);
    assert_eq!(credits(&sim), 97);
}

#[test]
fn a_person_who_was_saved_is_found_as_that_contact() {
    let sim = sim(10);
    let found = people(&sim, &json!({}));
    let known = found
        .iter()
        .find(|person| person["has_email"] == true)
        .unwrap();
    let person = matched(&sim, known);
    let contact = json!({"first_name": person["first_name"], "email": person["email"]});
    let contact = sim
        .edit(0, |team| team.create_contact(noon(), &contact))
        .unwrap();
    let again = matched(&sim, known);
    assert_eq!(again["contact_id"], json!(contact));
    assert_eq!(again["id"], known["id"]);
}

#[test]
fn somebody_without_an_address_is_told_without_it() {
    let sim = sim(10);
    let found = people(&sim, &json!({"contact_email_status": ["unavailable"]}));
    assert!(!found.is_empty());
    for person in &found {
        assert_eq!(person["has_email"], false);
    }
    let person = matched(&sim, &found[0]);
    assert_eq!(
        (&person["email"], &person["email_status"]),
        (&Value::Null, &json!("unavailable"))
    );
    assert!(person["name"].as_str().is_some_and(|name| !name.is_empty()));
}

#[test]
fn every_page_of_people_has_others() {
    let sim = sim(10);
    let mut seen = BTreeSet::new();
    for (page, expected) in [(1, 50), (2, 50), (3, 20), (4, 0)] {
        let found = post(&sim, PEOPLE, &json!({"page": page, "per_page": 50})).json();
        let found_ids = ids(&found["people"]);
        assert_eq!(found_ids.len(), expected, "page {page}");
        assert_eq!(found["total_entries"], 120);
        seen.extend(found_ids);
    }
    assert_eq!(seen.len(), 120);
    let oversized = post(&sim, PEOPLE, &json!({"per_page": 101}));
    assert_eq!(oversized.status, 422);
    assert_eq!(
        refusal(&post(&sim, PEOPLE, &json!({"page": 501, "per_page": 100}))),
        (
            422,
            r#"{"error":"Page * per page number is over threshold."}"#.to_owned()
        )
    );
}

#[test]
fn filters_find_people_by_title_rank_place_and_words() {
    let sim = sim(10);
    let titles = |filters: Value| -> BTreeSet<String> {
        let found = people(&sim, &filters);
        let titles = found
            .iter()
            .map(|person| person["title"].as_str().unwrap_or_default().to_owned());
        titles.collect()
    };
    let managers = titles(json!({"person_titles": ["product manager"]}));
    assert_eq!(
        managers,
        ["Product Manager", "Senior Product Manager"]
            .map(str::to_owned)
            .into()
    );
    let strict = json!({"person_titles": ["product manager"], "include_similar_titles": false});
    assert_eq!(titles(strict), ["Product Manager".to_owned()].into());
    assert_eq!(
        titles(json!({"person_seniorities": ["vp"]})),
        ["VP Engineering", "VP of Sales"].map(str::to_owned).into()
    );
    assert_eq!(
        titles(json!({"q_keywords": "supply chain"})),
        ["Supply Chain Manager".to_owned()].into()
    );
    for place in ["germany", "Berlin", "Berlin, Germany"] {
        let found = people(&sim, &json!({"person_locations": [place]}));
        assert!(!found.is_empty(), "{place}");
        let person = matched(&sim, &found[0]);
        assert_eq!(person["country"], "Germany", "{place}");
    }
    assert_eq!(
        people(&sim, &json!({"person_locations": ["Atlantis"]})),
        Vec::<Value>::new()
    );
    assert_eq!(
        people(&sim, &json!({"unheard_of": ["x"]})).len(),
        100,
        "ignored"
    );
}

#[test]
fn filters_find_people_by_their_company() {
    let sim = sim(10);
    let any = people(&sim, &json!({}));
    let company = matched(&sim, &any[0])["organization"].clone();
    let employees = company["estimated_num_employees"].as_u64().unwrap();
    let revenue = company["annual_revenue"].as_u64().unwrap();
    let colleagues = |filters: Value| {
        let found = people(&sim, &filters);
        let names = found
            .iter()
            .map(|person| person["organization"]["name"].clone());
        let own = names.filter(|name| *name == company["name"]).count();
        (own, found.len())
    };
    for filters in [
        json!({"q_organization_domains_list": [company["primary_domain"]]}),
        json!({"organization_ids": [company["id"]]}),
        json!({
            "organization_num_employees_ranges": [format!("{employees},{employees}")],
            "revenue_range": {"min": revenue, "max": revenue}
        }),
    ] {
        assert_eq!(colleagues(filters.clone()), (3, 3), "{filters}");
    }
    for filters in [
        json!({"organization_num_employees_ranges": ["1,2", "x"]}),
        json!({"revenue_range": {"min": revenue + 1}, "organization_ids": [company["id"]]}),
        json!({"organization_locations": ["Atlantis"]}),
    ] {
        assert_eq!(colleagues(filters.clone()).1, 0, "{filters}");
    }
}

#[test]
fn filters_may_stand_in_the_query() {
    let sim = sim(10);
    let in_body = json!({"person_titles": ["founder", "head of people"], "per_page": 100});
    let in_body = post(&sim, PEOPLE, &in_body).json();
    let query = "person_titles[]=founder&person_titles[]=head%20of%20people&per_page=100";
    let in_query = post(&sim, &format!("{PEOPLE}?{query}"), &json!({})).json();
    assert_eq!(in_query, in_body);
    assert!(!ids(&in_body["people"]).is_empty());
    let ranged = |query: &str| {
        post(&sim, &format!("{PEOPLE}?{query}"), &json!({})).json()["total_entries"].clone()
    };
    assert_eq!(ranged("revenue_range[min]=0"), 120);
    assert_eq!(ranged("revenue_range[max]=1"), 0);
}

#[test]
fn all_teams_search_the_same_people_and_another_seed_has_others() {
    let found = |seed: u64, key: &str| {
        let sim = Simulator::new(Options {
            seed,
            teams: vec![TeamOptions::sized(30), TeamOptions::numbered(2, 20)],
            ..Options::default()
        });
        let search = SimRequest::post(&format!("/api/v1/{PEOPLE}"), &json!({}));
        sim.respond(noon(), &search.key(key)).json()
    };
    let ours = found(5, "sim-master-key");
    assert_eq!(ours, found(5, "sim-master-key-2"));
    assert_ne!(ours, found(6, "sim-master-key"));
}

#[test]
fn a_scoped_key_needs_a_scope_for_the_search_and_a_free_plan_has_it() {
    let mut options = Options::with_contacts(10);
    options.switches.free_plan = FreePlan::PaidPlansOnly;
    options.teams[0].plan = Plan::Free;
    let sim = Simulator::new(options);
    assert_eq!(post(&sim, PEOPLE, &json!({})).status, 200);
    let search = SimRequest::post(&format!("/api/v1/{PEOPLE}"), &json!({}));
    let refused = sim.respond(noon(), &search.key("sim-scoped-key"));
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .text()
            .contains("access api/v1/mixed_people/api_search.")
    );
}

#[test]
fn searches_of_the_database_have_quotas_of_their_own() {
    let mut options = Options::with_contacts(10);
    options.teams[0].plan = Plan::Organization;
    let sim = Simulator::new(options);
    let reply = post(&sim, PEOPLE, &json!({}));
    let limits = ["minute", "hourly", "24-hour"];
    let limits = limits.map(|window| reply.header(&format!("x-rate-limit-{window}")).unwrap());
    assert_eq!(limits, ["200", "6000", "50000"]);
    let stats = post(&sim, "usage_stats/api_usage_stats", &json!({})).json();
    assert_eq!(
        stats[r#"["api/v1/mixed_people", "api_search"]"#]["hour"],
        json!({"limit": 6000, "consumed": 1, "left_over": 5999})
    );
}

#[test]
fn faults_disturb_the_search_like_every_other() {
    let sim = sim(10);
    let disturb = |action: Action| {
        sim.faults()
            .push(Fault::new(Match::path("api_search"), action));
    };
    disturb(Action::EmptyList);
    assert_eq!(
        post(&sim, PEOPLE, &json!({})).json(),
        json!({"total_entries": 0, "people": []})
    );
    disturb(Action::Claim(Claim::told("", "")));
    assert_eq!(keys(&post(&sim, PEOPLE, &json!({})).text()), ["people"]);
    let records = sim.ledger().totals()[PEOPLE].records;
    assert_eq!(records, 25);
}

fn companies(sim: &Simulator, filters: &Value) -> Value {
    let mut body = filters.clone();
    body["per_page"] = json!(100);
    let reply = post(sim, COMPANIES, &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The companies that the filters find, in the notation of enrichment.
fn enriched(sim: &Simulator, filters: &Value) -> Vec<Value> {
    let found = companies(sim, filters);
    let domains = found["organizations"].as_array().unwrap().iter();
    let domains = domains.map(|company| company["primary_domain"].as_str().unwrap().to_owned());
    let enrich = |domain: String| {
        let reply = get(sim, &format!("organizations/enrich?domain={domain}"));
        reply.json()["organization"].clone()
    };
    domains.map(enrich).collect()
}

#[test]
fn companies_are_found_for_a_credit_a_page() {
    let sim = sim(10);
    let reply = post(&sim, COMPANIES, &json!({}));
    assert_eq!(
        keys(&reply.text()),
        [
            "breadcrumbs",
            "partial_results_only",
            "has_join",
            "disable_eu_prospecting",
            "partial_results_limit",
            "pagination",
            "accounts",
            "organizations",
            "model_ids",
            "num_fetch_result",
            "derived_params"
        ]
    );
    assert_eq!(credits(&sim), 99);
    let mut seen = BTreeSet::new();
    for (page, expected) in [(1, 15), (2, 15), (3, 10), (4, 0)] {
        let found = post(&sim, COMPANIES, &json!({"page": page, "per_page": 15})).json();
        let found_ids = ids(&found["organizations"]);
        assert_eq!(found_ids.len(), expected, "page {page}");
        assert_eq!(found["model_ids"], json!(found_ids));
        assert_eq!(
            found["pagination"],
            json!({"page": page, "per_page": 15, "total_entries": 40, "total_pages": 3})
        );
        seen.extend(found_ids);
    }
    assert_eq!(seen.len(), 40);
    assert_eq!(credits(&sim), 95);
    assert_eq!(post(&sim, COMPANIES, &json!({"per_page": 101})).status, 422);
    assert_eq!(credits(&sim), 95, "a page that is refused costs nothing");
    assert_eq!(sim.ledger().totals()[COMPANIES].records, 25 + 40);
}

#[test]
fn without_credits_no_companies_are_told() {
    let sim = sim(10);
    sim.edit(0, |team| team.set_credits(1));
    companies(&sim, &json!({}));
    let refused = post(&sim, COMPANIES, &json!({}));
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("You have insufficient credits!"));
    assert_eq!(
        post(&sim, PEOPLE, &json!({})).status,
        200,
        "people are found for free"
    );
}

#[test]
fn a_found_company_is_told_as_enrichment_tells_it() {
    let sim = sim(10);
    let found = companies(&sim, &json!({}))["organizations"].clone();
    for (company, enriched) in found
        .as_array()
        .unwrap()
        .iter()
        .zip(enriched(&sim, &json!({})))
    {
        for field in [
            "id",
            "name",
            "website_url",
            "primary_domain",
            "phone",
            "primary_phone",
        ] {
            assert_eq!(company[field], enriched[field], "{field}");
        }
        assert_eq!(company["organization_revenue"], enriched["annual_revenue"]);
        assert!(company.get("estimated_num_employees").is_none());
    }
}

#[test]
fn filters_find_companies_and_leave_crumbs() {
    let sim = sim(10);
    sim.edit(0, |team| team.set_credits(1_000));
    let any = companies(&sim, &json!({}))["organizations"][0].clone();
    let word = any["name"]
        .as_str()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_lowercase();
    let found = companies(&sim, &json!({"q_organization_name": word}));
    assert_eq!(ids(&found["organizations"]), [any["id"].as_str().unwrap()]);
    assert_eq!(
        found["breadcrumbs"],
        json!([{
            "label": "Company Name", "signal_field_name": "q_organization_name", "value": word,
            "display_name": word
        }])
    );
    for company in enriched(
        &sim,
        &json!({"organization_locations": ["germany", "france"]}),
    ) {
        assert!(["Germany", "France"].contains(&company["country"].as_str().unwrap()));
    }
    let abroad = enriched(
        &sim,
        &json!({"organization_not_locations": ["united states"]}),
    );
    assert!(
        abroad.len() < 40
            && abroad
                .iter()
                .all(|company| company["country"] != "United States")
    );
    let sized = json!({"organization_num_employees_ranges": ["1,500", "4000,10000"]});
    let counts = enriched(&sim, &sized);
    let mut counts = counts
        .iter()
        .map(|company| company["estimated_num_employees"].as_u64().unwrap());
    assert!(counts.all(|count| count <= 500 || count >= 4_000));
    assert_eq!(
        companies(&sim, &sized)["breadcrumbs"][1]["display_name"],
        "4000-10000"
    );
    let insurers = enriched(&sim, &json!({"q_organization_keyword_tags": ["insurance"]}));
    assert!(
        insurers
            .iter()
            .all(|company| company["industry"] == "insurance")
    );
    let ignored = companies(&sim, &json!({"unheard_of": ["x"]}));
    assert_eq!(ignored["breadcrumbs"], json!([]));
    assert_eq!(ignored["pagination"]["total_entries"], 40);
}

#[test]
fn a_company_that_was_saved_is_found_among_the_accounts() {
    let sim = sim(10);
    let company = companies(&sim, &json!({}))["organizations"][3].clone();
    let account = json!({"name": company["name"], "domain": company["primary_domain"]});
    let account = sim
        .edit(0, |team| team.create_account(noon(), &account))
        .unwrap();
    let found = companies(&sim, &json!({}));
    assert_eq!(ids(&found["accounts"]), [account]);
    assert_eq!(ids(&found["organizations"]).len(), 39);
    assert!(!ids(&found["organizations"]).contains(&company["id"].as_str().unwrap().to_owned()));
    assert_eq!(found["model_ids"][3], company["id"]);
    assert_eq!(found["pagination"]["total_entries"], 40);
}

#[test]
fn companies_are_for_paid_plans_and_scoped_keys() {
    let mut options = Options::with_contacts(10);
    options.switches.free_plan = FreePlan::PaidPlansOnly;
    options.teams[0].plan = Plan::Free;
    let sim = Simulator::new(options);
    assert_eq!(
        refusal(&post(&sim, COMPANIES, &json!({}))),
        (
            403,
            r#"{"message":"This endpoint is only available to Apollo users on paid plans."}"#
                .to_owned()
        )
    );
    let search = SimRequest::post(&format!("/api/v1/{COMPANIES}"), &json!({}));
    let refused = sim.respond(noon(), &search.key("sim-scoped-key"));
    assert!(
        refused
            .text()
            .contains("access api/v1/mixed_companies/search.")
    );
    assert_eq!(credits(&sim), 100);
}
