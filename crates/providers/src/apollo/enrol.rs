//! Adds contacts to a sequence, and removes them from it.
//!
//! Apollo answers 200 even if it skipped every contact, with a reason for each. A contact that is
//! in the sequence already counts as added. A failed call may have been carried out anyway, so
//! after a failure the contacts themselves are read.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use syncline_model::{Contact, Object, Record, Records, SequenceState, draft::LeaveMode};

use super::{
    Apollo,
    api::Endpoint,
    error,
    live::{id_in_path, no_such},
    mapping,
};
use crate::{
    capabilities::{Enrolled, Enrolment, Enrolments},
    error::ProviderError,
    http::Response,
    json::{self, Fields},
    outcome::Outcome,
    provider::Provider,
    session::Session,
};

/// The maximum number of contacts per call.
const AT_ONCE: usize = 100;

/// Contacts by id, with their states.
#[derive(Default)]
struct Members {
    contacts: HashMap<String, Record<Contact>>,
    states: Vec<Record<SequenceState>>,
}

/// Apollo's response to a call: the skipped contacts, or a failure, after which it is unknown
/// whether the call was carried out.
enum AddResponse {
    LeftOut(HashMap<String, String>),
    Failed(ProviderError),
}

#[async_trait]
impl Enrolments for Apollo {
    /// Apollo sends from it.
    fn mailbox_required(&self) -> Option<&'static str> {
        Some("Mailbox ID is required for Apollo")
    }

    fn leave_modes(&self) -> &'static [LeaveMode] {
        LeaveMode::ALL
    }

    async fn enrol(
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
                // The earlier chunks have been carried out and must be reported.
                Err(error) if !outcomes.is_empty() => {
                    let unknown =
                        |id: &String| (id.clone(), Outcome::unknown(self.title(), &error));
                    outcomes.extend(contact_ids.iter().map(unknown));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Enrolled {
            outcomes,
            records: members.into_records(),
            removed: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn leave(
        &self,
        session: &Session<'_>,
        sequence_id: &str,
        contact_ids: &[String],
        mode: LeaveMode,
    ) -> Result<Enrolled, ProviderError> {
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
        // If Apollo doesn't know the sequence, it merely omits it from the response.
        if !names_sequence(&response, sequence_id) {
            return Err(no_such(Object::Sequence, sequence_id));
        }
        let mut members = Members::default();
        members.add_response(&response);
        let outcomes = contact_ids.iter().map(|id| {
            let outcome = match members.state_in(id, sequence_id) {
                _ if !members.contacts.contains_key(id) => skip("contact_not_found"),
                _ if mode == LeaveMode::Remove => Outcome::Out { id: None },
                Some(state) => Outcome::State {
                    id: state.id.clone(),
                },
                None => skip("not_in_sequence"),
            };
            (id.clone(), outcome)
        });
        let outcomes = outcomes.collect();
        let removed = match mode {
            // The response may be outdated, so it is ignored here: the states have been removed.
            LeaveMode::Remove => members.forget_states_in(sequence_id),
            LeaveMode::Stop | LeaveMode::Finish => Vec::new(),
        };
        Ok(Enrolled {
            outcomes,
            records: members.into_records(),
            removed,
            warnings: Vec::new(),
        })
    }
}

impl Apollo {
    async fn add_some(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
        members: &mut Members,
    ) -> Result<Vec<(String, Outcome)>, ProviderError> {
        let sequence_id = enrolment.sequence_id;
        let said = self.ask_to_add(session, enrolment, members).await?;
        let mut outcomes = Vec::new();
        for id in enrolment.contact_ids {
            let known = members.state_in(id, sequence_id).is_some();
            if !known && said.leaves_open(id) {
                self.read_member(session, id, members).await;
            }
            let outcome = match members.state_in(id, sequence_id) {
                Some(state) => Outcome::State {
                    id: state.id.clone(),
                },
                None => said.of_unseen(id),
            };
            outcomes.push((id.clone(), outcome));
        }
        let is_in = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::State { .. });
        match said {
            AddResponse::Failed(error) if !outcomes.iter().any(is_in) => Err(error),
            _ => Ok(outcomes),
        }
    }

    async fn ask_to_add(
        &self,
        session: &Session<'_>,
        enrolment: &Enrolment<'_>,
        members: &mut Members,
    ) -> Result<AddResponse, ProviderError> {
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
        match self.call(session, Endpoint::post(path, body)).await {
            Ok(response) => {
                members.add_response(&response);
                Ok(AddResponse::LeftOut(skipped_in(&response)))
            }
            Err(error) if error.is_temporary() => Ok(AddResponse::Failed(error)),
            Err(error) => Err(error::of_one_record(error)),
        }
    }

    /// A contact that can't be read stays unknown.
    async fn read_member(&self, session: &Session<'_>, id: &str, members: &mut Members) {
        if let Ok(records) = self.show(session, Object::Contact, id).await {
            members.add(records);
        }
    }
}

impl AddResponse {
    /// Whether the contact may be in the sequence even though the response doesn't show it.
    fn leaves_open(&self, id: &str) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::LeftOut(codes) => codes.get(id).is_none_or(|code| may_be_in(code)),
        }
    }

    /// The outcome for a contact whose state was not found.
    fn of_unseen(&self, id: &str) -> Outcome {
        match self {
            Self::Failed(error) => Outcome::unknown("Apollo", error),
            Self::LeftOut(codes) => match codes.get(id).map(String::as_str) {
                Some(IN_IT) => Outcome::AlreadyMember,
                Some(code) => skip(code),
                None => skip("not_added"),
            },
        }
    }
}

impl Members {
    /// Adds the contacts of a response. A contact that can't be read stays unknown, because the
    /// call has been carried out.
    fn add_response(&mut self, response: &Response) {
        let text = json::clean(&response.body);
        let contacts = Fields::parse(&text).and_then(|answer| answer.list("contacts").ok());
        let mapped = mapping::map_page(Object::Contact, &contacts.unwrap_or_default());
        self.add(mapped.records);
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

    /// Removes the states in the sequence, and returns their ids.
    fn forget_states_in(&mut self, sequence_id: &str) -> Vec<String> {
        let is_there = |state: &Record<SequenceState>| {
            state.fields.sequence_id.as_deref() == Some(sequence_id)
        };
        let gone = self.states.iter().filter(|state| is_there(state));
        let gone = gone.map(|state| state.id.clone()).collect();
        self.states.retain(|state| !is_there(state));
        gone
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

/// The contacts that Apollo skipped, with its code: an object, or a list in older responses.
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

/// The contact is already in this sequence.
const IN_IT: &str = "contacts_already_exists_in_current_campaign";

/// Codes with which Apollo skips a contact that is in the sequence. The second one was seen in that
/// case too, despite its name.
fn may_be_in(code: &str) -> bool {
    matches!(code, IN_IT | "contacts_active_in_other_campaigns")
}

fn skip(code: &str) -> Outcome {
    let reason = match code {
        "contact_not_found" => "there is no such contact",
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
        _ => "Apollo left it out",
    };
    Outcome::skipped(code, reason)
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
