//! What credits were charged for, and the balance from outside.

use serde_json::{Value, json};
use syncline_sim::{Charge, Options, SimRequest, Simulator, Team, TeamOptions};

use crate::{KEY, get, noon, post, sim};

fn charges(sim: &Simulator) -> Vec<Charge> {
    sim.read(0, |team| team.charges().to_vec())
}

/// Ines Heron, a contact; and the ids of her and of her company.
fn ines(sim: &Simulator) -> (String, String) {
    sim.edit(0, |team| {
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(noon(), &account).unwrap();
        let contact = json!({
            "first_name": "Ines", "last_name": "Heron", "email": "ines@heron.example", "account_id": account
        });
        team.create_contact(noon(), &contact).unwrap();
    });
    let person = post(sim, "people/match", &json!({"email": "ines@heron.example"}));
    let person = person.json()["person"].clone();
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    (id(&person["id"]), id(&person["organization_id"]))
}

#[test]
fn every_credit_is_written_down_with_its_key_call_and_subject() {
    let sim = sim(10);
    let (ines, heron) = ines(&sim);
    get(&sim, "organizations/enrich?domain=heron.example");
    let twice = json!({"details": [{"id": ines}, {"id": "nobody"}, {"id": ines}]});
    post(&sim, "people/bulk_match", &twice);
    let domains = json!({"domains": ["heron.example"]});
    post(&sim, "organizations/bulk_enrich", &domains);
    post(&sim, "mixed_companies/search", &json!({}));
    let token = SimRequest::post("/api/v1/people/match", &json!({"id": ines}))
        .header("authorization", "Bearer sim-apollo-access");
    assert_eq!(sim.respond(noon(), &token).status, 200);
    let charges = charges(&sim);
    let told: Vec<_> = charges
        .iter()
        .map(|charge| (charge.action, charge.subject.as_str(), charge.credits))
        .collect();
    assert_eq!(
        told,
        [
            ("people/match", ines.as_str(), 1),
            ("organizations/enrich", heron.as_str(), 1),
            ("people/bulk_match", ines.as_str(), 1),
            ("organizations/bulk_enrich", heron.as_str(), 1),
            ("mixed_companies/search", "", 1),
            ("people/match", ines.as_str(), 1),
        ]
    );
    assert!(charges.iter().all(|charge| charge.at == noon()));
    let keys: Vec<_> = charges.iter().map(|charge| charge.key.as_deref()).collect();
    assert_eq!(keys[..5], [Some(KEY); 5]);
    assert_eq!(keys[5], None);
    assert_eq!(sim.read(0, Team::credits), 100 - 6);
}

#[test]
fn what_is_not_found_or_refused_is_not_charged() {
    let sim = sim(10);
    post(&sim, "people/match", &json!({"email": "nobody@x.example"}));
    get(&sim, "organizations/enrich?domain=nowhere.example");
    sim.edit(0, |team| team.set_credits(0));
    let id = sim.read(0, |team| team.contact_ids()[0].clone());
    let refused = post(&sim, "people/match", &json!({"id": id}));
    assert_eq!(refused.status, 422);
    assert_eq!(charges(&sim), []);
}

#[test]
fn the_back_door_shows_charges_and_sets_balances() {
    let mut options = Options::with_contacts(10);
    options.teams.push(TeamOptions::numbered(2, 10));
    let sim = Simulator::new(options);
    let (ines, _) = ines(&sim);
    let control = |request: SimRequest| sim.respond(noon(), &request);
    let shown = control(SimRequest::get("/_sim/charges")).json();
    assert_eq!(
        shown,
        json!({"charges": [{
            "team": 0, "at": "2026-02-16T12:00:00.000Z", "key": KEY, "action": "people/match",
            "subject": ines, "credits": 1
        }]})
    );
    let set = |body: &Value| control(SimRequest::post("/_sim/set_credits", body)).status;
    assert_eq!(set(&json!({"team": 1, "credits": 7})), 200);
    assert_eq!(set(&json!({"credits": 3})), 200);
    assert_eq!(set(&json!({"team": 2, "credits": 7})), 404);
    assert_eq!(set(&json!({"team": 1})), 404);
    let left = [0, 1].map(|team| sim.read(team, Team::credits));
    assert_eq!(left, [3, 7]);
}
