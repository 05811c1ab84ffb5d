//! Look-ups by id.

use syncline_model::Object;
use syncline_providers::{ErrorKind, Found};

use crate::support::{access, both, now, read_all};

#[tokio::test]
async fn a_record_exists_until_it_is_deleted() {
    let (sim, outreach) = both(50);
    let ids = sim.read(0, |team| {
        let state = &team.states()[0].1;
        [
            (Object::Contact, team.contact_ids().remove(0)),
            (Object::Account, team.account_ids().remove(0)),
            (Object::Sequence, team.sequence_ids().remove(0)),
            (Object::User, team.user_ids().remove(0)),
            (Object::Mailbox, team.mailbox_ids().remove(0)),
            (Object::SequenceState, state["id"].to_string()),
        ]
    });
    for (object, id) in &ids {
        let found = outreach.get(&access(), *object, id).await.unwrap();
        assert_eq!((found.found, found.usage.len()), (Found::Exists, 1));
    }
    sim.edit(0, |team| {
        team.delete_contact(&ids[0].1).unwrap();
        team.delete_account(&ids[1].1).unwrap();
        team.delete_sequence(&ids[2].1).unwrap();
    });
    for (object, id) in &ids[..3] {
        let found = outreach.get(&access(), *object, id).await.unwrap();
        assert!(matches!(found.found, Found::Gone { .. }), "{found:?}");
        assert_eq!(found.usage.len(), 1, "{object}");
    }
}

#[tokio::test]
async fn an_account_that_is_not_named_leaves_the_list_and_exists() {
    let (sim, outreach) = both(50);
    let listed = read_all(&outreach, Object::Account).await[0].returned;
    let account = sim.edit(0, |team| {
        let id = team.account_ids().remove(0);
        team.set_account_named(now(), &id, false).unwrap();
        id
    });
    let pages = read_all(&outreach, Object::Account).await;
    assert_eq!(pages[0].returned, listed - 1);
    let found = outreach.get(&access(), Object::Account, &account).await;
    assert_eq!(found.unwrap().found, Found::Exists);
}

#[tokio::test]
async fn a_record_that_is_kept_from_the_user_is_hidden_and_not_gone() {
    let (sim, outreach) = both(50);
    let contact = sim.edit(0, |team| {
        let contact = team.contact_ids().remove(0);
        team.hide_contact(&contact).unwrap();
        contact
    });
    let found = outreach.get(&access(), Object::Contact, &contact).await;
    let found = found.unwrap().found;
    assert!(matches!(found, Found::Hidden { .. }), "{found:?}");
}

#[tokio::test]
async fn an_id_that_is_no_number_is_refused_without_a_request() {
    let (sim, outreach) = both(10);
    for id in [
        "",
        "abc",
        "1.5",
        "-1",
        "+1",
        "1/../2",
        "99999999999999999999",
    ] {
        let looked_up = outreach.get(&access(), Object::Contact, id).await;
        let error = looked_up.unwrap_err();
        assert_eq!((error.kind, error.status), (ErrorKind::Rejected, None));
    }
    assert_eq!(sim.ledger().len(), 0);
}
