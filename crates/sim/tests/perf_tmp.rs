use serde_json::json;
use std::time::Instant;
use syncline_sim::*;
#[test]
fn perf() {
    let t = Instant::now();
    let sim = Simulator::new(Options::with_contacts(10_000));
    println!("world {:?}", t.elapsed());
    let now = chrono::DateTime::UNIX_EPOCH;
    for round in 0..3 {
        let t = Instant::now();
        let mut bytes = 0;
        for page in 1..=100 {
            let r = SimRequest::post(
                "/api/v1/contacts/search",
                &json!({"page":page,"per_page":100,"sort_by_field":"contact_updated_at"}),
            )
            .key("sim-master-key");
            bytes += sim.respond(now, &r).body.len();
        }
        println!("round {round} {:?} {bytes}", t.elapsed());
    }
    let t = Instant::now();
    let e = sim.edit(0, |team| team.random_edits(now, 1, 1000));
    println!("edits {:?} {e:?}", t.elapsed());
    let t = Instant::now();
    for i in 0..100 {
        sim.edit(0, |team| team.random_edits(now, i, 1));
        let r = SimRequest::post(
            "/api/v1/contacts/search",
            &json!({"page":1,"per_page":100,"sort_by_field":"contact_updated_at"}),
        )
        .key("sim-master-key");
        sim.respond(now, &r);
    }
    println!("edited+page x100 {:?}", t.elapsed());
    let t = Instant::now();
    let seq = sim.read(0, |t| t.sequence_ids()[0].clone());
    for _ in 0..100 {
        let r = SimRequest::post(
            "/api/v1/contacts/search",
            &json!({"page":1,"per_page":100,"emailer_campaign_ids":[seq]}),
        )
        .key("sim-master-key");
        sim.respond(now, &r);
    }
    println!("filter x100 {:?}", t.elapsed());
}
