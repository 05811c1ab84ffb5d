//! What callers read now.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use serde_json::{Value, json};
use syncline_model::{
    Account, Common, Contact, Object, Record, Records, SequenceState, draft::StepKind,
};
use syncline_providers::{
    ErrorKind, Provider, ProviderError, Session,
    capabilities::{LivePage, LivePageRequest, LiveReads, SequenceWithSteps},
    http::{HeaderMap, Method},
};
use syncline_sim::{SimRequest, Simulator, Team};

use crate::support::{access, both, now, read_all, related};

fn reads(outreach: &dyn Provider) -> &dyn LiveReads {
    outreach.capabilities().live_reads().unwrap()
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

/// Every page of a list, by the token of the page before.
async fn to_the_end<F>(size: u32, list: impl Fn(u32, Option<String>, u32) -> F) -> Vec<LivePage>
where
    F: Future<Output = Result<LivePage, ProviderError>>,
{
    let (mut pages, mut page, mut token) = (Vec::new(), 1, None);
    loop {
        let listed = list(page, token, size).await.unwrap();
        let next = listed.next.clone();
        pages.push(listed);
        match next {
            Some(next) => (page, token) = (next.page, next.token),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn every_object_is_listed_to_its_end_by_tokens() {
    let (_, outreach) = both(130);
    let credentials = access();
    for object in Object::ALL {
        let pages = to_the_end(7, |page, token, size| {
            let (outreach, credentials) = (outreach.clone(), credentials.clone());
            async move {
                let session = Session::unmetered(&credentials);
                let token = token.as_deref();
                let ask = LivePageRequest { page, token, size };
                reads(&*outreach).list_live(&session, *object, ask).await
            }
        })
        .await;
        let synced = read_all(&outreach, *object).await;
        let expected: Vec<String> = synced.iter().flat_map(|it| ids_of(&it.records)).collect();
        let listed: Vec<String> = pages.iter().flat_map(|it| ids_of(&it.records)).collect();
        assert_eq!(listed, expected, "{object}");
        let total = i64::try_from(expected.len()).unwrap();
        for (number, page) in (1..).zip(&pages) {
            assert_eq!(page.total, Some(total));
            let next = page.next.as_ref();
            assert!(next.is_none_or(|next| next.page == number + 1 && next.token.is_some()));
        }
    }
}

#[tokio::test]
async fn a_forged_token_is_no_address_and_refused_by_outreach() {
    let (sim, outreach) = both(10);
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let forged = LivePageRequest {
        token: Some("https://elsewhere.example/api/v2/prospects"),
        ..FIRST
    };
    let read = reads(&*outreach).list_live(&session, Object::Contact, forged);
    let error = read.await.unwrap_err();
    assert_eq!(
        (error.kind, error.status),
        (ErrorKind::Rejected, Some(400)),
        "{error}"
    );
    assert_eq!(sim.ledger().requests_to("/api/v2/prospects").len(), 1);
}

#[tokio::test]
async fn a_record_is_read_by_its_id() {
    let (_, outreach) = both(50);
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let live = reads(&*outreach);
    for object in Object::ALL {
        let listed = live.list_live(&session, *object, FIRST).await.unwrap();
        let id = ids_of(&listed.records).remove(0);
        let got = live.get_live(&session, *object, &id).await.unwrap();
        assert_eq!(ids_of(&got), [id], "{object}");
    }
}

#[tokio::test]
async fn an_unknown_id_is_not_found_and_one_that_is_no_number_without_a_request() {
    let (sim, outreach) = both(10);
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let live = reads(&*outreach);
    for object in Object::ALL {
        let error = live.get_live(&session, *object, "999999999").await;
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.status), (ErrorKind::NotFound, Some(404)));
    }
    let before = sim.ledger().len();
    for id in ["", "abc", "1.5", "-1", "1/../2", "99999999999999999999"] {
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
    assert_eq!(sim.ledger().len(), before);
}

#[tokio::test]
async fn a_record_that_is_kept_from_the_user_is_forbidden() {
    let (sim, outreach) = both(10);
    let contact = sim.edit(0, |team| {
        let contact = team.contact_ids().remove(0);
        team.hide_contact(&contact).unwrap();
        contact
    });
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let read = reads(&*outreach).get_live(&session, Object::Contact, &contact);
    let error = read.await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Forbidden(_)), "{error}");
}

async fn sequence(outreach: &dyn Provider, id: &str) -> SequenceWithSteps {
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let read = reads(outreach).get_sequence(&session, id).await;
    read.unwrap()
}

#[tokio::test]
async fn a_sequence_has_its_steps_and_what_they_send() {
    let (sim, outreach) = both(10);
    for id in sim.read(0, Team::sequence_ids) {
        let before = sim.ledger().len();
        let found = sequence(&*outreach, &id).await;
        assert_eq!(
            sim.ledger().len() - before,
            4,
            "the sequence, and three lists"
        );
        assert_eq!(found.sequence.id, id);
        let count = i64::try_from(found.steps.len()).unwrap();
        assert_eq!(count, found.sequence.fields.num_steps);
        for (place, step) in (1..).zip(&found.steps) {
            assert_eq!(step.order, place);
            let sends = matches!(step.kind, StepKind::AutoEmail | StepKind::ManualEmail);
            assert_eq!(step.template.is_some(), sends, "{step:?}");
            assert_eq!(step.is_reply, sends.then_some(place != 1));
            assert_eq!(step.task_note.is_none(), sends);
            assert!(step.name.as_ref().unwrap().starts_with("Step #"));
        }
        let template = found.steps[0].template.as_ref().unwrap();
        assert!(template.body.starts_with("<div>Hi"), "{template:?}");
        assert_eq!(template.name.as_ref(), Some(&template.subject));
        let intervals = found
            .steps
            .iter()
            .map(|step| step.interval_seconds.unwrap());
        let intervals: Vec<i64> = intervals.collect();
        assert_eq!(intervals[..2], [30 * 60, 4 * 3_600]);
    }
}

/// Writes a record, and returns its id.
fn post(
    sim: &Simulator,
    kind: &str,
    attributes: &Value,
    relationships: &[(&str, &Value)],
) -> Value {
    let link = |(name, id): &(&str, &Value)| {
        let to = json!({"data": {"type": name, "id": id}});
        ((*name).to_owned(), to)
    };
    let relationships: serde_json::Map<_, _> = relationships.iter().map(link).collect();
    let data = json!({"type": kind, "attributes": attributes, "relationships": relationships});
    let mut headers = HeaderMap::new();
    let set = [
        ("authorization", "Bearer sim-outreach-access"),
        ("content-type", "application/vnd.api+json"),
    ];
    for (name, value) in set {
        headers.insert(name, value.parse().unwrap());
    }
    let request = SimRequest {
        method: Method::POST,
        path: format!("/api/v2/{kind}s"),
        query: None,
        headers,
        body: json!({ "data": data }).to_string().into(),
    };
    let reply = sim.respond(now(), &request);
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, 201, "{answer}");
    answer["data"]["id"].clone()
}

/// A template without a name is not listed.
#[tokio::test]
async fn a_template_without_a_name_is_shown_too() {
    let (sim, outreach) = both(5);
    let id = sim.edit(0, |team| team.create_sequence(now(), "Bare"));
    let number: Value = json!(id.parse::<u64>().unwrap());
    let attributes = json!({"stepType": "manual_email", "order": 9, "interval": 120});
    let step = post(&sim, "sequenceStep", &attributes, &[("sequence", &number)]);
    let attributes = json!({"subject": "Hello", "bodyHtml": "<p>You</p>"});
    let template = post(&sim, "template", &attributes, &[]);
    let links = [("sequenceStep", &step), ("template", &template)];
    post(&sim, "sequenceTemplate", &json!({"isReply": true}), &links);
    let found = sequence(&*outreach, &id).await;
    let last = found.steps.last().unwrap();
    assert_eq!(
        (&last.id, last.kind),
        (&step.to_string(), StepKind::ManualEmail)
    );
    assert_eq!(
        (last.interval_seconds, last.is_reply),
        (Some(120), Some(true))
    );
    let shown = last.template.as_ref().unwrap();
    assert_eq!(shown.id, Some(template.to_string()));
    assert_eq!((&*shown.subject, &*shown.body), ("Hello", "<p>You</p>"));
    assert_eq!(shown.name, None);
}

async fn by_email(outreach: &dyn Provider, emails: &[&str]) -> Vec<Record<Contact>> {
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let emails: Vec<String> = emails.iter().map(ToString::to_string).collect();
    let found = reads(outreach).contacts_by_email(&session, &emails).await;
    Contact::of(found.unwrap())
}

#[tokio::test]
async fn contacts_are_found_by_any_of_their_addresses_in_the_order_asked_for() {
    let (sim, outreach) = both(120);
    let listed = crate::support::contacts(&outreach).await;
    let addresses = |it: &Record<Contact>| it.fields.email_addresses.clone();
    let with_address = listed.iter().filter(|it| !addresses(it).is_empty());
    let mut wanted: Vec<&Record<Contact>> = with_address.collect();
    wanted.reverse();
    let emails = wanted.iter().map(|it| {
        let last = addresses(it).pop().unwrap();
        last.email_address.to_uppercase()
    });
    let emails: Vec<String> = emails.collect();
    let emails: Vec<&str> = emails.iter().map(String::as_str).collect();
    assert!(emails.len() > 100);
    let before = sim.ledger().len();
    let found = by_email(&*outreach, &emails).await;
    assert_eq!(sim.ledger().len() - before, emails.len().div_ceil(50));
    let ids = |records: &[&Record<Contact>]| -> Vec<String> {
        records.iter().map(|it| it.id.clone()).collect()
    };
    assert_eq!(ids(&found.iter().collect::<Vec<_>>()), ids(&wanted));
}

#[tokio::test]
async fn what_is_no_address_finds_nobody_and_spoils_no_other() {
    let (sim, outreach) = both(20);
    let listed = crate::support::contacts(&outreach).await;
    let known = listed
        .iter()
        .find_map(|it| it.fields.email_addresses.first());
    let known = &*known.unwrap().email_address;
    let odd = [
        "a..b@x.example",
        "a,b@x.example",
        "__notnull__",
        "nobody@x.example",
    ];
    let found = by_email(&*outreach, &[&odd[..], &[known]].concat()).await;
    assert_eq!(found.len(), 1);
    let before = sim.ledger().len();
    assert!(by_email(&*outreach, &odd[..3]).await.is_empty());
    assert_eq!(sim.ledger().len(), before);
}

#[tokio::test]
async fn accounts_are_found_by_name_and_by_domain() {
    let (sim, outreach) = both(60);
    let (name, domain) = sim.read(0, |team| {
        let accounts = team.accounts();
        let of = |name: &str| {
            let mut texts = accounts
                .iter()
                .filter_map(|it| it["attributes"][name].as_str());
            texts.next_back().unwrap().to_owned()
        };
        (of("name"), of("domain"))
    });
    let credentials = access();
    let session = Session::unmetered(&credentials);
    let live = reads(&*outreach);
    let found = live.accounts_by_name(&session, &name).await.unwrap();
    let found = Account::of(found);
    assert!(!found.is_empty());
    assert!(
        found
            .iter()
            .all(|it| it.fields.name.as_ref() == Some(&name))
    );
    let found = live.accounts_by_domain(&session, &domain).await.unwrap();
    assert!(!Account::of(found).is_empty());
    let none = live.accounts_by_name(&session, "Nobody's").await.unwrap();
    assert!(Account::of(none).is_empty());
}

#[tokio::test]
async fn states_are_read_by_sequence_and_by_contact() {
    let (sim, outreach) = both(80);
    let states = sim.read(0, Team::states);
    let sequence_id = related(&states[0].1, "sequence").unwrap();
    let contact_id = related(&states[0].1, "prospect").unwrap();
    let expected = |name: &str, id: &str| {
        let of = states.iter().map(|(_, state)| state);
        let of = of.filter(|state| related(state, name).as_deref() == Some(id));
        let mut ids: Vec<String> = of.map(|state| state["id"].to_string()).collect();
        ids.sort();
        ids
    };
    let of_sequence = expected("sequence", &sequence_id);
    assert!(of_sequence.len() > 3);
    let credentials = access();
    let pages = to_the_end(3, |page, token, size| {
        let (outreach, credentials) = (outreach.clone(), credentials.clone());
        let sequence_id = sequence_id.clone();
        async move {
            let session = Session::unmetered(&credentials);
            let token = token.as_deref();
            let ask = LivePageRequest { page, token, size };
            let live = reads(&*outreach);
            live.states_of_sequence(&session, &sequence_id, ask).await
        }
    })
    .await;
    let mut found: Vec<String> = pages.iter().flat_map(|it| ids_of(&it.records)).collect();
    found.sort();
    assert_eq!(found, of_sequence);
    let session = Session::unmetered(&credentials);
    let live = reads(&*outreach);
    let found = live.states_of_contact(&session, &contact_id).await.unwrap();
    let mut found: Vec<String> = SequenceState::of(found)
        .into_iter()
        .map(|it| it.id)
        .collect();
    found.sort();
    assert_eq!(found, expected("prospect", &contact_id));
}
