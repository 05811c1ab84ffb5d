//! Lists from their first page to their last, and what their records are.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncline_model::{Common, Contact, Object, Order, Record, Sequence, SequenceState, User};
use syncline_providers::{ErrorKind, ListRequest, Page, Provider};
use syncline_sim::{Action, Fault, Match, Simulator, Team};

use crate::support::{READ, first_user, ids_of, now, refused, states, truth, usual, with};

/// Every page of an object, read as the engine reads them.
pub(crate) async fn pages(salesloft: &Arc<dyn Provider>, object: Object) -> Vec<Page> {
    let (mut pages, mut page, mut token) = (Vec::new(), 1, None);
    loop {
        let request = ListRequest {
            page,
            token: token.as_deref(),
            since: None,
            order: Order::OldestFirst,
        };
        let read = salesloft.list(&first_user(), object, request).await;
        let read = read.unwrap();
        let next = read.next.clone();
        pages.push(read);
        let Some(next) = next else { return pages };
        (page, token) = (page + 1, next.token);
    }
}

fn ids(pages: &[Page]) -> Vec<String> {
    let of = |page: &Page| {
        let scanned = page.records.scanned();
        let ids: Vec<String> = scanned.iter().map(|(id, _)| (*id).to_owned()).collect();
        ids
    };
    pages.iter().flat_map(of).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// The records of an object by id.
async fn records<T: Common>(salesloft: &Arc<dyn Provider>) -> BTreeMap<String, Record<T>> {
    let pages = pages(salesloft, T::OBJECT).await;
    let records = pages.into_iter().flat_map(|page| T::of(page.records));
    records.map(|it| (it.id.clone(), it)).collect()
}

/// The text of a field, or the id of a reference.
fn told(record: &Value, name: &str) -> Option<String> {
    match &record[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        reference => Some(reference["id"].to_string()),
    }
}

#[tokio::test]
async fn every_object_is_read_to_its_end() {
    let (sim, salesloft) = usual(430);
    for object in READ {
        let pages = pages(&salesloft, object).await;
        let expected = truth(&sim, object);
        assert!(!expected.is_empty(), "{object}");
        let total = i64::try_from(expected.len()).unwrap();
        // The first pages of cadences are their steps.
        for page in pages.iter().filter(|page| page.served > 0) {
            assert_eq!(page.reported_total, Some(total), "{object}");
            assert_eq!(page.rejected, [], "{object}");
            assert_eq!(page.provider_time, Some(now()), "{object}");
        }
        let returned: i64 = pages.iter().map(|page| page.returned).sum();
        assert_eq!(returned, total, "{object}");
        assert_eq!(sorted(ids(&pages)), sorted(expected), "{object}");
    }
}

#[tokio::test]
async fn people_have_what_the_team_knows_of_them() {
    let (sim, salesloft) = usual(150);
    let read = records::<Contact>(&salesloft).await;
    for person in sim.read(0, Team::contacts) {
        let record = &read[&person["id"].to_string()];
        let contact = &record.fields;
        assert_eq!(record.unread, Vec::<String>::new());
        assert_eq!(contact.first_name, told(&person, "first_name"));
        assert_eq!(contact.job_title, told(&person, "title"));
        assert_eq!(contact.owner_id, told(&person, "owner"));
        assert_eq!(contact.account_id, told(&person, "account"));
        let city = contact.address.as_ref().unwrap().city.clone();
        assert_eq!(city, told(&person, "city"));
        let primary = contact.email_addresses.first();
        let primary = primary.filter(|it| it.email_address_type.as_deref() == Some("primary"));
        let primary = primary.map(|it| it.email_address.clone());
        assert_eq!(primary, told(&person, "email_address"));
        assert_eq!(
            Some(contact.open_count),
            person["counts"]["emails_viewed"].as_i64()
        );
    }
}

#[tokio::test]
async fn a_deactivated_user_is_read_and_locked() {
    let (sim, salesloft) = usual(20);
    let locked = sim.edit(0, |team| {
        let id = team.user_ids().remove(2);
        team.lock_user(&id, true).unwrap();
        id
    });
    let read = records::<User>(&salesloft).await;
    for user in sim.read(0, Team::users) {
        let record = &read[&user["id"].to_string()];
        assert_eq!(record.fields.email, told(&user, "email"));
        let active = user["active"].as_bool();
        assert_eq!(record.fields.is_locked, active.map(|active| !active));
    }
    assert_eq!(read[&locked].fields.is_locked, Some(true));
}

#[tokio::test]
async fn cadences_and_memberships_refer_to_other_records() {
    let (sim, salesloft) = usual(150);
    let cadences = records::<Sequence>(&salesloft).await;
    for cadence in sim.read(0, Team::sequences) {
        let sequence = &cadences[&cadence["id"].to_string()].fields;
        assert_eq!(sequence.owner_id, told(&cadence, "owner"));
        assert_eq!(Some(sequence.is_archived), cadence["archived"].as_bool());
        let people = sequence.metrics["cadencePeople"].as_i64();
        assert_eq!(people, cadence["counts"]["cadence_people"].as_i64());
    }
    let memberships = records::<SequenceState>(&salesloft).await;
    for membership in sim.read(0, states) {
        let state = &memberships[&membership["id"].to_string()].fields;
        assert_eq!(state.state, told(&membership, "current_state"));
        assert_eq!(state.contact_id, told(&membership, "person"));
        assert_eq!(state.sequence_id, told(&membership, "cadence"));
        assert_eq!(state.user_id, told(&membership, "user"));
    }
}

#[tokio::test]
async fn a_list_with_expensive_pages_is_read_in_windows_of_cheap_ones() {
    let (sim, salesloft) = with(10_130, |options| {
        options.switches.bad_gateway_from_page = Some(101);
    });
    let pages = pages(&salesloft, Object::Contact).await;
    assert_eq!(pages.len(), 102);
    for page in &pages {
        assert_eq!(page.reported_total, Some(10_130));
        assert!(page.has_order);
    }
    let created: Vec<_> = pages
        .iter()
        .flat_map(|page| page.records.scanned())
        .collect();
    assert!(created.is_sorted_by_key(|(_, created)| *created));
    assert_eq!(sorted(ids(&pages)), sorted(truth(&sim, Object::Contact)));
}

/// Adds people to a cadence, all at the same instant.
fn enrol(sim: &Simulator, now: DateTime<Utc>, people: Range<usize>) {
    sim.edit(0, |team| {
        let cadence = team.create_sequence(now, "New");
        for person in &team.contact_ids()[people] {
            team.enrol(now, person, &cadence).unwrap();
        }
    });
}

#[tokio::test]
async fn memberships_that_changed_at_one_instant_are_read_once_each() {
    let (sim, salesloft) = usual(430);
    enrol(&sim, now(), 10..340);
    let before = pages(&salesloft, Object::SequenceState).await;
    assert!(before.iter().any(|page| page.returned < 100));
    let expected = sim.read(0, |team| ids_of(&states(team)));
    assert_eq!(sorted(ids(&before)), sorted(expected));
}

#[tokio::test]
async fn a_membership_that_changes_meanwhile_is_seen_again_and_none_is_missed() {
    let (sim, salesloft) = usual(430);
    let later = now() + TimeDelta::seconds(5);
    sim.on_request(move |asked, team| {
        if asked.action == "cadence_memberships/list" && asked.nth == 2 {
            let random = team.random_edits(later, 3, 200);
            assert!(random.states_changed > 0);
        }
    });
    let pages = pages(&salesloft, Object::SequenceState).await;
    let seen = ids(&pages);
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert!(distinct.len() < seen.len());
    let expected = sim.read(0, |team| ids_of(&states(team)));
    assert!(expected.iter().all(|id| distinct.contains(id)));
}

#[tokio::test]
async fn a_page_with_more_records_than_requested_is_refused() {
    let (sim, salesloft) = usual(430);
    let people = Match::path("/v2/people");
    sim.faults().push(Fault::new(people, Action::PageOf(150)));
    let error = refused(&salesloft, &first_user(), Object::Contact).await;
    assert_eq!(
        (error.kind, error.records),
        (ErrorKind::Oversized, Some(150))
    );
}
