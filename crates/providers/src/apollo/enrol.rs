//! Contacts into a sequence and out of it.
//!
//! Apollo answers 200 even when it left every contact out, with a reason for each. Being in the
//! sequence already is what was asked for. And a failure may have been carried out all the same, so
//! after one the contacts themselves are asked.

use std::collections::HashMap;

use serde_json::{Value, json};
use syncline_model::{Contact, Object, Record, Records, SequenceState, draft::LeaveMode};

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    error,
    live::{id_in_path, no_such, records_of},
};
use crate::{
    error::{ErrorKind, ProviderError},
    http::Response,
    json::{self, Fields},
    session::Session,
    unified::{Enrolled, Enrolment, Outcome},
};

/// Contacts of one call.
const AT_ONCE: usize = 100;

/// How many contacts are read one by one after a call of which nobody knows whether it was carried
/// out.
const MOST_READ: usize = 25;

/// Contacts by id, with their states.
#[derive(Default)]
struct Members {
    contacts: HashMap<String, Record<Contact>>,
    states: Vec<Record<SequenceState>>,
}

impl Apollo {
    pub(super) async fn add_to_sequence(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
    ) -> Result<Enrolled, ProviderError> {
        let mut outcomes = Vec::new();
        let mut members = Members::default();
        for contact_ids in enrolment.contact_ids.chunks(AT_ONCE) {
            let chunk = Enrolment {
                contact_ids,
                ..*enrolment
            };
            match self.add_some(session, &chunk, &mut members).await {
                Ok(some) => outcomes.extend(some),
                // What went before is done and must be told.
                Err(error) if !outcomes.is_empty() => {
                    outcomes.extend(contact_ids.iter().map(|id| {
                        let code = "provider_error".to_owned();
                        let reason = error.message.clone();
                        (id.clone(), Outcome::Skipped { code, reason })
                    }));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Enrolled {
            outcomes,
            records: members.into_records(),
            removed: Vec::new(),
        })
    }

    async fn add_some(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
        members: &mut Members,
    ) -> Result<Vec<(String, Outcome)>, ProviderError> {
        let sequence_id = enrolment.sequence_id;
        let in_path = id_in_path(Object::Sequence, sequence_id)?;
        let mut body = json!({
            "emailer_campaign_id": sequence_id,
            "contact_ids": enrolment.contact_ids,
            "send_email_from_email_account_id": enrolment.mailbox_id,
            "sequence_active_in_other_campaigns": true,
        });
        if let Some(user_id) = enrolment.user_id {
            body["user_id"] = user_id.into();
        }
        let path = format!("api/v1/emailer_campaigns/{in_path}/add_contact_ids");
        let (skipped, failure) = match self.call(session, Endpoint::post(path, body)).await {
            Ok(response) => {
                members.take_in(&response)?;
                (skipped_in(&response), None)
            }
            Err(error) if error.is_temporary() => (HashMap::new(), Some(error)),
            Err(error) => return Err(error),
        };
        let mut outcomes = Vec::new();
        for (read, id) in enrolment.contact_ids.iter().enumerate() {
            let unknown = members.state_in(id, sequence_id).is_none();
            let worth_asking = match skipped.get(id).map(String::as_str) {
                None => unknown,
                Some(code) => is_in_already(code),
            };
            if worth_asking && (failure.is_none() || read < MOST_READ) {
                self.read_member(session, id, members).await;
            }
            let outcome = match (members.state_in(id, sequence_id), skipped.get(id)) {
                (Some(state), _) => Outcome::State {
                    id: state.id.clone(),
                },
                (None, Some(code)) => skip(code),
                (None, None) => skip(match &failure {
                    Some(_) => "provider_error",
                    None => "not_added",
                }),
            };
            outcomes.push((id.clone(), outcome));
        }
        let any_is_in = outcomes
            .iter()
            .any(|(_, it)| matches!(it, Outcome::State { .. }));
        match failure {
            Some(error) if !any_is_in => Err(error),
            _ => Ok(outcomes),
        }
    }

    /// What can't be read stays unknown.
    async fn read_member(&self, session: &Session<'_>, id: &str, members: &mut Members) {
        if let Ok(records) = self.show(session, Object::Contact, id).await {
            members.add(records);
        }
    }

    pub(super) async fn take_from_sequence(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
        // Afterwards nothing tells which states there were.
        let mut before = Members::default();
        if mode == LeaveMode::Remove {
            for id in contact_ids {
                match self.show(session, Object::Contact, id).await {
                    Ok(records) => before.add(records),
                    Err(error) if error.kind == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let mode_word = match mode {
            LeaveMode::Remove => "remove",
            LeaveMode::Stop => "stop",
            LeaveMode::Finish => "mark_as_finished",
        };
        let body = json!({
            "emailer_campaign_ids": [sequence_id],
            "contact_ids": contact_ids,
            "mode": mode_word,
        });
        let path = "api/v1/emailer_campaigns/remove_or_stop_contact_ids";
        let response = self
            .call(session, Endpoint::post(path, body))
            .await
            .map_err(error::of_one_record)?;
        // Of a sequence that it doesn't know Apollo only leaves it out of the answer.
        if !names_sequence(&response, sequence_id) {
            return Err(no_such(Object::Sequence, sequence_id));
        }
        let mut after = Members::default();
        after.take_in(&response)?;
        let mut removed = Vec::new();
        if mode == LeaveMode::Remove {
            // The answer may lag behind: what was asked for is what counts.
            let theirs = |state: &Record<SequenceState>| {
                state.fields.sequence_id.as_deref() == Some(sequence_id)
            };
            removed.extend(
                before
                    .states
                    .iter()
                    .filter(|it| theirs(it))
                    .map(|it| it.id.clone()),
            );
            after.states.retain(|state| !theirs(state));
        }
        let outcomes = contact_ids.iter().map(|id| {
            let state = match mode {
                LeaveMode::Remove => before.state_in(id, sequence_id),
                LeaveMode::Stop | LeaveMode::Finish => after.state_in(id, sequence_id),
            };
            let outcome = match state {
                Some(state) => Outcome::State {
                    id: state.id.clone(),
                },
                None if after.contacts.contains_key(id) => skip("not_in_sequence"),
                None => skip("contact_not_found"),
            };
            (id.clone(), outcome)
        });
        Ok(Enrolled {
            outcomes: outcomes.collect(),
            records: after.into_records(),
            removed,
        })
    }
}

impl Members {
    /// The contacts of an answer.
    fn take_in(&mut self, response: &Response) -> Result<(), ProviderError> {
        let text = json::clean(&response.body);
        let contacts = Fields::parse(&text).map(|answer| answer.list("contacts"));
        let contacts = match contacts {
            Some(Ok(contacts)) => contacts,
            Some(Err(malformed)) => return Err(unreadable(response, &malformed.to_string())),
            None => return Err(unreadable(response, "it is not an object")),
        };
        self.add(records_of(response, Object::Contact, &contacts)?);
        Ok(())
    }

    fn add(&mut self, records: Records) {
        let Records::Contacts { contacts, states } = records else {
            return;
        };
        self.states.retain(|known| {
            let of = |it: &Record<Contact>| known.fields.contact_id.as_ref() == Some(&it.id);
            !contacts.iter().any(of)
        });
        self.states.extend(states);
        for contact in contacts {
            self.contacts.insert(contact.id.clone(), contact);
        }
    }

    fn state_in(&self, contact_id: &str, sequence_id: &str) -> Option<&Record<SequenceState>> {
        self.states.iter().find(|state| {
            state.fields.contact_id.as_deref() == Some(contact_id)
                && state.fields.sequence_id.as_deref() == Some(sequence_id)
        })
    }

    fn into_records(self) -> Records {
        let mut contacts: Vec<_> = self.contacts.into_values().collect();
        contacts.sort_by(|a, b| a.id.cmp(&b.id));
        Records::Contacts {
            contacts,
            states: self.states,
        }
    }
}

/// The contacts that Apollo left out, with its code: an object, and a list in older answers.
fn skipped_in(response: &Response) -> HashMap<String, String> {
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    match &answer["skipped_contact_ids"] {
        Value::Object(reasons) => reasons
            .iter()
            .map(|(id, code)| (id.clone(), code.as_str().unwrap_or("skipped").to_owned()))
            .collect(),
        Value::Array(ids) => ids
            .iter()
            .filter_map(|id| Some((id.as_str()?.to_owned(), "skipped".to_owned())))
            .collect(),
        _ => HashMap::new(),
    }
}

fn names_sequence(response: &Response, sequence_id: &str) -> bool {
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let campaigns = answer["emailer_campaigns"].as_array();
    campaigns.is_some_and(|all| all.iter().any(|it| it["id"] == sequence_id))
}

/// Codes under which Apollo leaves out a contact that is in this very sequence. The second was seen
/// for it, too, whatever it says.
fn is_in_already(code: &str) -> bool {
    matches!(
        code,
        "contacts_already_exists_in_current_campaign" | "contacts_active_in_other_campaigns"
    )
}

fn skip(code: &str) -> Outcome {
    let reason = match code {
        "contact_not_found" => "there is no such contact",
        "contacts_already_exists_in_current_campaign" => "it is in the sequence already",
        "contacts_active_in_other_campaigns" => "it is active in another sequence",
        "contacts_finished_in_other_campaigns" => "it has finished another sequence",
        "contacts_without_email" => "it has no e-mail address",
        "contacts_unverified_email" | "contacts_with_unverified_user_managed_email" => {
            "its e-mail address is not verified"
        }
        "contacts_with_job_change" => "it has changed its job",
        "contacts_in_same_company" => "another contact of its company is in the sequence",
        "contacts_without_ownership_permission" => "it belongs to another user",
        "contacts_in_pending_state" => "it is waiting in a queue",
        "contacts_unsubscribed" => "it has unsubscribed",
        "not_in_sequence" => "it is not in the sequence",
        "not_added" => "Apollo did not add it and gave no reason",
        "provider_error" => "Apollo failed before it came to this contact",
        _ => "Apollo left it out",
    };
    Outcome::Skipped {
        code: code.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_contacts_are_understood_in_both_forms() {
        let response = |body: &str| Response {
            status: 200,
            headers: crate::http::HeaderMap::default(),
            body: body.to_owned().into(),
        };
        let object = skipped_in(&response(
            r#"{"skipped_contact_ids":{"a":"contact_not_found"}}"#,
        ));
        assert_eq!(object["a"], "contact_not_found");
        let list = skipped_in(&response(r#"{"skipped_contact_ids":["a"]}"#));
        assert_eq!(list["a"], "skipped");
        assert!(skipped_in(&response(r#"{"skipped_contact_ids":null}"#)).is_empty());
    }
}
