//! How many steps cadences have: in scans, in live lists and of one cadence.

use std::{collections::BTreeMap, sync::Arc};

use syncline_model::{Common, Object, Records, Sequence};
use syncline_providers::{Page, Provider, Session, capabilities::LivePageRequest};
use syncline_sim::{Options, Simulator, Team};

use crate::{
    lists::pages,
    support::{client, first_user},
};

/// A team with so many cadences, of which some have a disabled step.
fn team(cadences: usize) -> (Simulator, Arc<dyn Provider>) {
    let mut options = Options::salesloft(10);
    options.teams[0].sequences = cadences;
    let sim = Simulator::new(options);
    sim.edit(0, |team| {
        for id in team.sequence_ids().iter().step_by(3) {
            let (step, _) = team.step_ids_of(id).remove(0);
            team.enable_step(&step, false).unwrap();
        }
    });
    let salesloft = client(&sim);
    (sim, salesloft)
}

/// The enabled steps of each cadence.
fn truth(sim: &Simulator) -> BTreeMap<String, usize> {
    let enabled = |team: &Team, id: &str| {
        let steps = team.step_ids_of(id).into_iter();
        steps.filter(|(_, enabled)| *enabled).count()
    };
    sim.read(0, |team| {
        let ids = team.sequence_ids().into_iter();
        ids.map(|id| (id.clone(), enabled(team, &id))).collect()
    })
}

fn counted(records: impl IntoIterator<Item = Records>) -> BTreeMap<String, usize> {
    let sequences = records.into_iter().flat_map(Sequence::of);
    let count = |it: i64| usize::try_from(it).unwrap();
    sequences
        .map(|it| (it.id, count(it.fields.num_steps)))
        .collect()
}

fn records(pages: Vec<Page>) -> impl Iterator<Item = Records> {
    pages.into_iter().map(|page| page.records)
}

#[tokio::test]
async fn a_scan_reads_all_steps_first_a_page_at_a_time() {
    let (sim, salesloft) = team(150);
    let all: usize = sim.read(0, |team| {
        let ids = team.sequence_ids().into_iter();
        ids.map(|id| team.step_ids_of(&id).len()).sum()
    });
    assert!(all > 200, "several pages");
    let read = pages(&salesloft, Object::Sequence).await;
    assert_eq!(read.len(), all.div_ceil(100) + 2);
    let ledger = sim.ledger();
    assert_eq!(ledger.requests_to("/v2/steps").len(), all.div_ceil(100));
    assert_eq!(ledger.len(), read.len(), "each page is one request");
    assert_eq!(counted(records(read)), truth(&sim));
}

#[tokio::test]
async fn a_cadence_changes_with_its_steps_alone() {
    let (sim, salesloft) = team(3);
    let hashes = |pages: Vec<Page>| -> BTreeMap<String, i64> {
        let sequences = records(pages).flat_map(Sequence::of);
        sequences.map(|it| (it.id, it.hash)).collect()
    };
    let before = hashes(pages(&salesloft, Object::Sequence).await);
    let again = hashes(pages(&salesloft, Object::Sequence).await);
    assert_eq!(before, again);
    let changed = sim.edit(0, |team| {
        let id = team.sequence_ids().remove(1);
        let (step, _) = team.step_ids_of(&id).remove(0);
        team.enable_step(&step, false).unwrap();
        id
    });
    let after = hashes(pages(&salesloft, Object::Sequence).await);
    for (id, hash) in &before {
        assert_eq!(after[id] == *hash, *id != changed, "{id}");
    }
}

#[tokio::test]
async fn callers_are_told_the_same_of_all_and_of_one() {
    let (sim, salesloft) = team(7);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = salesloft.capabilities().live_reads().unwrap();
    let first = LivePageRequest {
        page: 1,
        token: None,
        size: 100,
    };
    let listed = live.list_live(&session, Object::Sequence, first);
    let expected = truth(&sim);
    assert_eq!(counted([listed.await.unwrap().records]), expected);
    for (id, count) in expected {
        let one = live.get_live(&session, Object::Sequence, &id).await;
        assert_eq!(counted([one.unwrap()])[&id], count);
        let whole = live.get_sequence(&session, &id).await.unwrap();
        assert_eq!(whole.steps.len(), count);
    }
}
