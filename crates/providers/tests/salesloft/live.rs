//! What callers read now.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use syncline_model::{
    Account, Common, Contact, Object, Record, Records, SequenceState, draft::StepKind,
};
use syncline_providers::{
    ErrorKind, Provider, Session,
    capabilities::{LivePage, LivePageRequest, LiveReads},
};
use syncline_sim::Team;

use crate::support::{READ, first_user, states, truth, usual, with};

fn reads(salesloft: &dyn Provider) -> &dyn LiveReads {
    salesloft.capabilities().live_reads().unwrap()
}

const FIRST: LivePageRequest<'static> = LivePageRequest {
    page: 1,
    token: None,
    size: 100,
};

fn ids_of(records: &Records) -> Vec<String> {
    let scanned = records.scanned().into_iter();
    scanned.map(|(id, _)| id.to_owned()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// What is listed.
#[derive(Clone, Copy)]
enum List<'a> {
    Of(Object),
    StatesOf(&'a str),
}

async fn to_the_end(salesloft: &Arc<dyn Provider>, list: List<'_>, size: u32) -> Vec<LivePage> {
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = reads(&**salesloft);
    let (mut pages, mut page, mut token) = (Vec::new(), 1, None::<String>);
    loop {
        let ask = LivePageRequest {
            page,
            token: token.as_deref(),
            size,
        };
        let listed = match list {
            List::Of(object) => live.list_live(&session, object, ask).await,
            List::StatesOf(sequence) => live.states_of_sequence(&session, sequence, ask).await,
        };
        let listed = listed.unwrap();
        let next = listed.next.clone();
        pages.push(listed);
        match next {
            Some(next) => (page, token) = (next.page, next.token),
            None => return pages,
        }
    }
}

fn ids(pages: &[LivePage]) -> Vec<String> {
    pages.iter().flat_map(|it| ids_of(&it.records)).collect()
}

#[tokio::test]
async fn every_object_is_listed_to_its_end_in_pages_of_any_size() {
    let (sim, salesloft) = usual(130);
    for object in READ {
        let expected = sorted(truth(&sim, object));
        for size in [1, 7, 100] {
            let pages = to_the_end(&salesloft, List::Of(object), size).await;
            assert_eq!(sorted(ids(&pages)), expected, "{object} by {size}");
            let total = i64::try_from(expected.len()).unwrap();
            for page in pages {
                assert_eq!(page.total, Some(total), "{object} by {size}");
            }
        }
    }
}

/// From page 101 on pages cost more, whatever their size.
#[tokio::test]
async fn no_page_of_a_long_list_is_expensive() {
    let (sim, salesloft) = with(250, |options| options.points_per_minute = 10_000);
    let pages = to_the_end(&salesloft, List::Of(Object::Contact), 2).await;
    let expected = truth(&sim, Object::Contact);
    assert_eq!(sorted(ids(&pages)), sorted(expected));
    let tokens = pages.iter().filter_map(|page| page.next.clone()?.token);
    let tokens: BTreeSet<String> = tokens.collect();
    assert!(tokens.len() > 20, "they begin a second window");
}

#[tokio::test]
async fn a_forged_token_is_refused_without_a_request() {
    let (sim, salesloft) = usual(10);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    for token in ["https://elsewhere.example/", "{}", "[]", r#"{"page":-1}"#] {
        let token = Some(token);
        let forged = LivePageRequest { token, ..FIRST };
        let read = reads(&*salesloft).list_live(&session, Object::Contact, forged);
        assert_eq!(read.await.unwrap_err().kind, ErrorKind::Rejected);
    }
    assert!(sim.ledger().is_empty());
}

#[tokio::test]
async fn a_record_is_read_by_its_id() {
    let (sim, salesloft) = usual(30);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = reads(&*salesloft);
    for object in READ {
        let id = truth(&sim, object).remove(0);
        let got = live.get_live(&session, object, &id).await.unwrap();
        assert_eq!(ids_of(&got), [id], "{object}");
        let error = live.get_live(&session, object, "999999999").await;
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.status), (ErrorKind::NotFound, Some(404)));
    }
}

#[tokio::test]
async fn an_id_that_is_no_number_is_not_found_without_a_request() {
    let (sim, salesloft) = usual(10);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = reads(&*salesloft);
    for id in ["", "abc", "007", "7/notes", "99999999999999999999"] {
        for object in Object::ALL {
            let error = live.get_live(&session, *object, id).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotFound, "{object} {id}");
        }
        let error = live.get_sequence(&session, id).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        let error = live.states_of_contact(&session, id).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        let states = live.states_of_sequence(&session, id, FIRST).await;
        assert_eq!(states.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert!(sim.ledger().is_empty());
}

#[tokio::test]
async fn mailboxes_are_not_supported() {
    let (_, salesloft) = usual(10);
    let capabilities = salesloft.capabilities();
    for object in Object::ALL {
        let is_read = capabilities.live_reads_of(*object).is_ok();
        assert_eq!(is_read, *object != Object::Mailbox, "{object}");
    }
    let refusal = capabilities.live_reads_of(Object::Mailbox).err().unwrap();
    let expected = "reading mailboxes live is not supported by salesloft";
    assert_eq!(refusal.to_string(), expected);
}

#[tokio::test]
async fn a_cadence_has_its_steps_what_they_do_and_how_many_they_are() {
    let (sim, salesloft) = usual(10);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = reads(&*salesloft);
    for id in truth(&sim, Object::Sequence) {
        let before = sim.ledger().len();
        let found = live.get_sequence(&session, &id).await.unwrap();
        assert_eq!(sim.ledger().len() - before, 3, "the cadence, list, export");
        let count = i64::try_from(found.steps.len()).unwrap();
        assert_eq!(found.sequence.fields.num_steps, count);
        assert!(count >= 2);
        for (place, step) in (1..).zip(&found.steps) {
            assert_eq!(step.order, place);
            let sends = matches!(step.kind, StepKind::AutoEmail | StepKind::ManualEmail);
            assert_eq!(step.template.is_some(), sends, "{step:?}");
            assert_eq!(step.is_reply, sends.then_some(place != 1));
            let wait = step.interval_seconds.unwrap();
            assert_eq!(wait % 86_400, 0, "{step:?}");
        }
        assert_eq!(found.steps[0].kind, StepKind::AutoEmail);
        assert_eq!(found.steps[1].kind, StepKind::Call);
        let note = found.steps[1].task_note.as_deref();
        assert_eq!(note, Some("Mention the case study"));
        let template = found.steps[0].template.as_ref().unwrap();
        assert_eq!(
            (&template.id, &template.name),
            (&None, &Some(template.subject.clone()))
        );
        assert!(template.body.starts_with("<div>Hi"), "{template:?}");
    }
}

#[tokio::test]
async fn contacts_are_found_by_their_addresses_in_the_order_asked_for() {
    let (sim, salesloft) = usual(120);
    let primary = |person: &Value| person["email_address"].as_str().map(str::to_uppercase);
    let mut people = sim.read(0, Team::contacts);
    people.reverse();
    let emails: Vec<String> = people.iter().filter_map(primary).collect();
    assert!(emails.len() > 100);
    let expected: Vec<String> = people
        .iter()
        .filter(|it| primary(it).is_some())
        .map(|it| it["id"].to_string())
        .collect();
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let found = reads(&*salesloft).contacts_by_email(&session, &emails);
    let found: Vec<Record<Contact>> = Contact::of(found.await.unwrap());
    let found: Vec<String> = found.into_iter().map(|it| it.id).collect();
    assert_eq!(sorted(found.clone()), sorted(expected.clone()));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn accounts_are_found_by_name_and_by_domain() {
    let (sim, salesloft) = usual(60);
    let account = sim.read(0, |team| team.accounts().remove(0));
    let text = |name: &str| account[name].as_str().unwrap().to_owned();
    let account_id = account["id"].to_string();
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let live = reads(&*salesloft);
    let has_it = |found: Records| {
        let found = Account::of(found);
        found.iter().any(|it| it.id == account_id)
    };
    let found = live.accounts_by_name(&session, &text("name")).await;
    assert!(has_it(found.unwrap()));
    let found = live.accounts_by_domain(&session, &text("domain")).await;
    assert!(has_it(found.unwrap()));
    let none = live.accounts_by_name(&session, "Nobody's").await;
    assert!(Account::of(none.unwrap()).is_empty());
}

#[tokio::test]
async fn states_are_read_by_sequence_and_by_contact() {
    let (sim, salesloft) = usual(80);
    let all = sim.read(0, states);
    let first = &all[0];
    let expected = |name: &str| {
        let of = all.iter().filter(|it| it[name]["id"] == first[name]["id"]);
        sorted(of.map(|it| it["id"].to_string()).collect())
    };
    let sequence = first["cadence"]["id"].to_string();
    let pages = to_the_end(&salesloft, List::StatesOf(&sequence), 3).await;
    assert_eq!(sorted(ids(&pages)), expected("cadence"));
    assert!(pages.len() > 1);
    let credentials = first_user();
    let session = Session::unmetered(&credentials);
    let contact = first["person"]["id"].to_string();
    let found = reads(&*salesloft).states_of_contact(&session, &contact);
    let found = SequenceState::of(found.await.unwrap()).into_iter();
    assert_eq!(sorted(found.map(|it| it.id).collect()), expected("person"));
}
