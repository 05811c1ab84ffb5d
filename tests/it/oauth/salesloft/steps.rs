//! How many steps a sequence has, in the tables.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::Value;
use syncline_sim::{Action, Fault, Match, Window};

use super::salesloft;
use crate::{
    oauth::{SALESLOFT, run_of},
    support::{App, on_both_databases},
};

/// The enabled steps of each of Salesloft's cadences.
fn truth(app: &App) -> BTreeMap<String, usize> {
    app.apollo.read(0, |team| {
        let ids = team.sequence_ids().into_iter();
        let enabled = |id: &String| {
            let steps = team.step_ids_of(id).into_iter();
            steps.filter(|(_, enabled)| *enabled).count()
        };
        ids.map(|id| (id.clone(), enabled(&id))).collect()
    })
}

async fn told(app: &App) -> BTreeMap<String, usize> {
    let sequences = app.all_records("sequences").await;
    let one = |it: &Value| {
        let id = it["id"].as_str().unwrap().to_owned();
        let count = it["num_steps"].as_u64().unwrap();
        (id, usize::try_from(count).unwrap())
    };
    sequences.iter().map(one).collect()
}

fn pages_of_steps(app: &App) -> usize {
    app.apollo.ledger().requests_to("/v2/steps").len()
}

#[apply(on_both_databases)]
async fn the_tables_say_how_many_steps_a_sequence_has(database: Database) {
    let app = salesloft(database).await;
    let before = truth(&app);
    assert!(before.values().all(|count| *count > 1));
    assert_eq!(told(&app).await, before);

    // The cadence itself doesn't change with its steps.
    app.apollo.edit(0, |team| {
        let id = team.sequence_ids().remove(2);
        let (step, _) = team.step_ids_of(&id).remove(0);
        team.enable_step(&step, false).unwrap();
    });
    app.after(TimeDelta::hours(1)).await;
    let after = truth(&app);
    assert_ne!(after, before);
    assert_eq!(told(&app).await, after);
    let run = run_of(&app, "sequence").await;
    assert_eq!(run["records_updated"], 1, "{run}");
    assert_eq!(run["coverage"]["verdict"], "complete");
    assert_eq!(pages_of_steps(&app), 1);
}

#[apply(on_both_databases)]
async fn a_run_that_goes_on_counts_no_step_again(database: Database) {
    let app = SALESLOFT.connected(database, 5).await;
    let refused = Action::RateLimited {
        window: Window::Minute,
        retry_after: Some(60),
    };
    let cadences = Match::path("/v2/cadences");
    app.apollo.faults().push(Fault::new(cadences, refused));
    app.work_off().await;
    assert_eq!(run_of(&app, "sequence").await["state"], "waiting");
    app.after(TimeDelta::minutes(2)).await;
    assert_eq!(run_of(&app, "sequence").await["status"], "SUCCESS");
    assert_eq!(told(&app).await, truth(&app));
    assert_eq!(pages_of_steps(&app), 1);
}
