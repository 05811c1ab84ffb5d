//! Lists, page by page, and what their records become.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde_json::{Value, json};
use syncline_model::{Contact, Object, Record};
use syncline_providers::{ErrorKind, Found, ListRequest, Window};
use syncline_sim::{Action, Fault, Match, Team, Window as SimWindow};

use crate::support::{
    FIRST, PROSPECTS, access, both, client, contacts, ids_of, now, read_all, refused, related,
    simulator, states, text,
};

fn by_id(values: Vec<Value>) -> HashMap<String, Value> {
    let pair = |value: Value| (value["id"].to_string(), value);
    values.into_iter().map(pair).collect()
}

#[tokio::test]
async fn every_object_is_read_to_its_end() {
    let (sim, outreach) = both(PROSPECTS);
    let counts = sim.read(0, Team::counts);
    for (object, expected) in [
        (Object::User, counts.users),
        (Object::Mailbox, counts.mailboxes),
        (Object::Sequence, counts.sequences),
        (Object::Account, counts.accounts),
        (Object::Contact, counts.contacts),
        (Object::SequenceState, counts.states),
    ] {
        let pages = read_all(&outreach, object).await;
        assert_eq!(pages.len(), expected.div_ceil(1_000).max(1), "{object}");
        let total = i64::try_from(expected).unwrap();
        let returned: i64 = pages.iter().map(|page| page.returned).sum();
        assert_eq!(returned, total, "{object}");
        let mut ids: Vec<&str> = Vec::new();
        let mut created = Vec::new();
        for page in &pages {
            assert_eq!(page.reported_total, Some(total), "{object}");
            assert_eq!(page.provider_time, Some(now()));
            assert!(page.has_order && page.rejected.is_empty(), "{object}");
            for (id, created_at) in page.records.scanned() {
                ids.push(id);
                created.push(created_at.unwrap());
            }
        }
        assert!(created.is_sorted(), "{object}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), expected, "{object}");
    }
}

#[tokio::test]
async fn no_record_is_missed_when_others_come_and_go_between_two_pages() {
    let (sim, outreach) = both(PROSPECTS);
    let first = outreach.list(&access(), Object::Contact, FIRST).await;
    let first = first.unwrap();
    let seen: Vec<String> = ids_of(&first);
    let (kept, added) = sim.edit(0, |team| {
        for id in &seen[..20] {
            team.delete_contact(id).unwrap();
        }
        (team.contact_ids(), team.invent_contact(now()))
    });
    let request = ListRequest {
        page: 2,
        token: first.next.as_ref().and_then(|next| next.token.as_deref()),
        ..FIRST
    };
    let second = outreach.list(&access(), Object::Contact, request).await;
    let second = second.unwrap();
    let request = ListRequest {
        page: 3,
        token: second.next.as_ref().and_then(|next| next.token.as_deref()),
        ..FIRST
    };
    let third = outreach.list(&access(), Object::Contact, request).await;
    let third = third.unwrap();
    assert_eq!(third.next, None);
    let rest = [ids_of(&second), ids_of(&third)].concat();
    assert_eq!(rest.last(), Some(&added));
    for id in kept {
        assert_ne!(seen.contains(&id), rest.contains(&id), "{id}");
    }
}

#[tokio::test]
async fn prospects_are_what_the_world_has() {
    let (sim, outreach) = both(300);
    let world = by_id(sim.read(0, Team::contacts));
    let mut with_email = 0;
    for contact in contacts(&outreach).await {
        let real = &world[&contact.id];
        let attributes = &real["attributes"];
        let fields = &contact.fields;
        assert_eq!(fields.first_name, text(&attributes["firstName"]));
        assert_eq!(fields.last_name, text(&attributes["lastName"]));
        assert_eq!(fields.job_title, text(&attributes["title"]));
        assert_eq!(fields.owner_id, related(real, "owner"));
        assert_eq!(fields.account_id, related(real, "account"));
        let address = fields.address.as_ref().unwrap();
        assert_eq!(address.city, text(&attributes["addressCity"]));
        let emails = fields.email_addresses.iter();
        let emails: Vec<&str> = emails.map(|email| email.email_address.as_str()).collect();
        assert_eq!(json!(emails), attributes["emails"]);
        with_email += usize::from(!emails.is_empty());
        assert_eq!(json!(fields.open_count), attributes["openCount"]);
        assert_eq!((contact.is_deleted, &contact.unread[..]), (false, &[][..]));
    }
    assert!(with_email > 100, "{with_email}");
}

#[tokio::test]
async fn states_lead_to_their_prospect_sequence_mailbox_and_user() {
    let (sim, outreach) = both(300);
    let world: HashMap<String, Value> = sim.read(0, |team| {
        let states = team.states().into_iter();
        states
            .map(|(_, state)| (state["id"].to_string(), state))
            .collect()
    });
    let states = states(&outreach).await;
    assert_eq!(states.len(), world.len());
    for state in states {
        let real = &world[&state.id];
        let fields = &state.fields;
        assert_eq!(fields.state, text(&real["attributes"]["state"]));
        assert_eq!(fields.contact_id, related(real, "prospect"));
        assert_eq!(fields.sequence_id, related(real, "sequence"));
        assert_eq!(fields.mailbox_id, related(real, "mailbox"));
        let user = related(real, "user").or_else(|| related(real, "creator"));
        assert_eq!(fields.user_id, user);
        assert!(fields.contact_id.is_some() && fields.sequence_id.is_some());
    }
}

#[tokio::test]
async fn a_trashed_prospect_is_deleted_although_it_is_listed() {
    let (sim, outreach) = both(20);
    let trashed = sim.edit(0, |team| {
        let id = team.contact_ids().remove(3);
        team.trash_contact(now(), &id).unwrap();
        id
    });
    let contacts = contacts(&outreach).await;
    let deleted: Vec<&Record<Contact>> = contacts.iter().filter(|it| it.is_deleted).collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].id, trashed);
    let found = outreach.get(&access(), Object::Contact, &trashed).await;
    assert!(matches!(found.unwrap().found, Found::Gone { .. }));
}

#[tokio::test]
async fn ids_may_be_texts() {
    let sim = simulator(20, |options| options.outreach.switches.ids_as_text = true);
    let outreach = client(&sim);
    let states = states(&outreach).await;
    let contact = states[0].fields.contact_id.clone().unwrap();
    let found = outreach.get(&access(), Object::Contact, &contact).await;
    assert_eq!(found.unwrap().found, Found::Exists);
}

#[tokio::test]
async fn what_is_wrong_with_a_list_is_an_error_of_its_own_kind() {
    let (sim, outreach) = both(20);
    for (action, kind) in [
        (Action::bad_gateway(), ErrorKind::Unavailable),
        (Action::InvalidResponse, ErrorKind::InvalidResponse),
        // A last page whose link to a next one has no cursor.
        (Action::EndlessPages, ErrorKind::InvalidResponse),
        (
            Action::RateLimited {
                window: SimWindow::Hour,
                retry_after: Some(90),
            },
            ErrorKind::RateLimited(Window::Hour),
        ),
        (
            Action::Maintenance(TimeDelta::minutes(10)),
            ErrorKind::Unavailable,
        ),
    ] {
        sim.faults().push(Fault::new(Match::any(), action.clone()));
        let error = refused(&outreach, Object::User).await;
        assert_eq!(error.kind, kind, "{action:?}");
        let wait = error.retry_after.map(|wait| wait.as_secs());
        match action {
            Action::RateLimited { .. } => assert_eq!(wait, Some(90)),
            Action::Maintenance(_) => assert_eq!(wait, Some(600)),
            _ => assert_eq!(wait, None, "{action:?}"),
        }
    }
}

#[tokio::test]
async fn a_page_larger_than_was_asked_for_is_refused() {
    let (sim, outreach) = both(1_200);
    let larger = Fault::new(Match::path("prospects"), Action::PageOf(1_100));
    sim.faults().push(larger);
    let error = refused(&outreach, Object::Contact).await;
    assert_eq!(
        (error.kind, error.records),
        (ErrorKind::Oversized, Some(1_100))
    );
}

#[tokio::test]
async fn a_broken_cursor_is_rejected() {
    let (_, outreach) = both(20);
    let request = ListRequest {
        page: 2,
        token: Some("not a cursor & more"),
        ..FIRST
    };
    let read = outreach.list(&access(), Object::Contact, request).await;
    let error = read.unwrap_err();
    assert_eq!((error.kind, error.status), (ErrorKind::Rejected, Some(400)));
    assert_eq!(error.message, "Invalid cursor.");
}
