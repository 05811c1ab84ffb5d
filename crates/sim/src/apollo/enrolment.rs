//! Adding contacts to sequences and removing them.

use super::Call;
use super::contacts_write::time;
use super::refusal::{Answer, Refusal};
use super::render::contact::View;
use crate::json::Object;
use crate::switches::{ReEnrolment, Reason};
use crate::world::contact::{Contact, StateKind};
use crate::world::sequence::Sequence;

/// Percent of the contacts added in one call whose state gets the previous contact's state id.
const REPEATED_STATE_IDS: usize = 3;

pub(crate) fn add(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let contacts = wanted_contacts(call)?;
    let mailboxes = call
        .params
        .list("send_email_from_email_account_id")
        .unwrap_or_default();
    let Some(mailbox) = mailboxes
        .first()
        .filter(|_| call.params.has("emailer_campaign_id"))
    else {
        return Err(Refusal::invalid(
            "Please specify a emailer_campaign_id and send_email_from_email_account_id.",
        ));
    };
    match call
        .team
        .mailboxes
        .get(mailbox)
        .filter(|mailbox| !mailbox.deleted)
    {
        None => return Err(Refusal::invalid_id(mailbox)),
        Some(known) if !known.active => {
            return Err(Refusal::invalid(&format!(
                "These mailboxes are no longer active. {}",
                known.email
            )));
        }
        Some(_) => {}
    }
    if call
        .team
        .sequences
        .get(call.id)
        .is_none_or(|sequence| sequence.deleted)
    {
        return Err(Refusal::invalid_id(call.id));
    }
    let (mut added, mut skipped) = (Vec::new(), Object::new());
    let mut last_id: Option<String> = None;
    for id in contacts {
        if let Some(reason) = reason_to_skip(call, &id) {
            skipped.text(&id, reason);
            continue;
        }
        let mut state = call
            .team
            .entry_state(call.now, call.id, Some(mailbox))
            .map_err(|_| Refusal::invalid_id(call.id))?;
        if call.params.text("status").as_deref() == Some("paused")
            && state.status == StateKind::Active
        {
            state.status = StateKind::Paused;
            state.paused_at = Some(call.now);
            state.auto_unpause_at = call
                .params
                .text("auto_unpause_at")
                .as_deref()
                .and_then(time);
        }
        if let Some(last) = last_id
            .as_ref()
            .filter(|_| call.team.dice.percent(REPEATED_STATE_IDS))
        {
            state.id.clone_from(last);
        }
        last_id = Some(state.id.clone());
        call.team.add_state(call.now, &id, state);
        added.extend(
            call.team
                .contacts
                .get(&id)
                .map(|contact| contact.render(View::Search)),
        );
    }
    Ok(added_body(call, &added, skipped))
}

fn added_body(call: &Call<'_>, added: &[String], skipped: Object) -> Answer {
    let sequence = call.team.sequences.get(call.id);
    let mut team = Object::new();
    team.text("id", &call.team.id)
        .flag("sequences_finder_empty", false);
    let mut o = Object::with_capacity(8192);
    o.list("contacts", added)
        .raw("skipped_contact_ids", &skipped.finish())
        .raw(
            "emailer_campaign",
            &sequence.map_or("null".to_owned(), Sequence::brief),
        )
        .list(
            "emailer_steps",
            &sequence.map(Sequence::steps_json).unwrap_or_default(),
        )
        .list(
            "emailer_touches",
            &sequence.map(Sequence::touches_json).unwrap_or_default(),
        )
        .raw("team", &team.finish())
        .null("signals_hash");
    Answer::of(o.finish(), added.len())
}

fn wanted_contacts(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    if let Some(ids) = call
        .params
        .list("contact_ids")
        .filter(|ids| !ids.is_empty())
    {
        return Ok(ids);
    }
    let Some(names) = call
        .params
        .list("label_names")
        .filter(|names| !names.is_empty())
    else {
        return Err(Refusal::invalid(
            "Please specify either contact_ids or label_names.",
        ));
    };
    let labels = call
        .team
        .labels
        .iter()
        .filter(|label| names.contains(&label.name));
    let labels: Vec<&str> = labels.map(|label| label.id.as_str()).collect();
    let contacts = call.team.contacts.listed();
    let contacts = contacts.filter(|contact| {
        contact
            .label_ids
            .iter()
            .any(|id| labels.contains(&id.as_str()))
    });
    Ok(contacts.map(|contact| contact.id.clone()).collect())
}

fn reason_to_skip(call: &Call<'_>, id: &str) -> Option<&'static str> {
    let Ok(contact) = call.team.live_contact(id) else {
        return Some("contact_not_found");
    };
    let allows = |flag: &str| call.params.flag(flag);
    let elsewhere = |status: StateKind| contact.states.iter().any(|state| state.status == status);
    if contact.state_in(call.id).is_some() {
        return Some(match call.team.switches.re_enrolment {
            ReEnrolment::AlreadyInCampaign => "contacts_already_exists_in_current_campaign",
            ReEnrolment::ActiveInOthers => "contacts_active_in_other_campaigns",
        });
    }
    if contact.emails.is_empty() && !allows("sequence_no_email") {
        return Some("contacts_without_email");
    }
    if contact
        .email_status
        .is_some_and(|status| status != "verified")
        && !allows("sequence_unverified_email")
    {
        return Some("contacts_unverified_email");
    }
    if elsewhere(StateKind::Active) && !allows("sequence_active_in_other_campaigns") {
        return Some("contacts_active_in_other_campaigns");
    }
    if elsewhere(StateKind::Finished) && !allows("sequence_finished_in_other_campaigns") {
        return Some("contacts_finished_in_other_campaigns");
    }
    None
}

pub(crate) fn remove_or_stop(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let contacts = call.params.list("contact_ids").unwrap_or_default();
    let sequences = call.params.list("emailer_campaign_ids").unwrap_or_default();
    let sequences: Vec<String> = sequences
        .into_iter()
        .filter(|id| {
            call.team
                .sequences
                .get(id)
                .is_some_and(|sequence| !sequence.deleted)
        })
        .collect();
    let mode = call.params.text("mode").unwrap_or_default();
    for contact in &contacts {
        for sequence in &sequences {
            leave(call, contact, sequence, &mode);
        }
    }
    let shown = contacts
        .iter()
        .filter_map(|id| call.team.live_contact(id).ok());
    let shown: Vec<String> = shown
        .map(|contact: &Contact| contact.render(View::Search))
        .collect();
    let campaigns: Vec<String> = sequences
        .iter()
        .map(|id| format!(r#"{{"id":"{id}"}}"#))
        .collect();
    let mut o = Object::with_capacity(8192);
    o.list("contacts", &shown)
        .list("emailer_campaigns", &campaigns);
    // A sequence that does not exist is not an error; the answer just has fewer keys.
    if let Some(sequence) = sequences.first().and_then(|id| call.team.sequences.get(id)) {
        o.number("num_contacts", shown.len())
            .raw(
                "contact_statuses",
                concat!(
                    r#"{"active":"loading","failed":0,"paused":"loading","finished":"loading","#,
                    r#""bounced":"loading","hard_bounced":"loading","spam_blocked":"loading","not_sent":"loading"}"#
                ),
            )
            .list("emailer_steps", &sequence.steps_json());
    }
    Ok(Answer::of(o.finish(), shown.len()))
}

fn leave(call: &mut Call<'_>, contact: &str, sequence: &str, mode: &str) {
    let reason = |reason| call.team.switches.inactive_reasons.text(reason).to_owned();
    let (paused, finished) = (
        reason(Reason::ManuallyPaused),
        reason(Reason::ManuallyFinished),
    );
    // A contact that is not in the sequence doesn't change.
    let _ = match mode {
        "remove" => call.team.unenrol(call.now, contact, sequence),
        "stop" => call.team.set_state(
            call.now,
            contact,
            sequence,
            StateKind::Paused,
            Some(&paused),
        ),
        _ => call.team.set_state(
            call.now,
            contact,
            sequence,
            StateKind::Finished,
            Some(&finished),
        ),
    };
}
