//! A person's records at a connection, and the words by which others tell of the person.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{Contact, Mailbox, Object, SequenceState, User};

use crate::{
    Connection, Store, StoreError,
    records::{RecordQuery, Row, Search, Table, UserSearch},
};

/// Shorter telephone numbers could be anything.
const SHORTEST_NUMBER: usize = 7;
/// Shorter ids are found only where it is plain that they are ids.
const SHORTEST_ID: usize = 12;
const ROWS_AT_ONCE: i64 = 200;

/// What is known of a person who is to be erased.
#[derive(Debug, Default)]
pub(super) struct Person {
    ids: BTreeMap<Object, BTreeSet<String>>,
    /// E-mail addresses, in lower case.
    emails: BTreeSet<String>,
    /// Telephone numbers and whole names, in lower case.
    words: BTreeSet<String>,
}

impl Person {
    pub(super) fn with(email: &str) -> Self {
        Self {
            emails: [email.to_lowercase()].into(),
            ..Self::default()
        }
    }

    /// Adds what is known of the same person elsewhere.
    pub(super) fn is_also(&mut self, other: &Self) {
        for (object, ids) in &other.ids {
            self.ids.entry(*object).or_default().extend(ids.clone());
        }
        self.emails.extend(other.emails.clone());
        self.words.extend(other.words.clone());
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (Object, &BTreeSet<String>)> {
        self.ids.iter().map(|(object, ids)| (*object, ids))
    }

    fn add(&mut self, object: Object, id: String) {
        self.ids.entry(object).or_default().insert(id);
    }

    fn is_called(&mut self, first_name: Option<&String>, last_name: Option<&String>) {
        if let (Some(first), Some(last)) = (first_name, last_name) {
            self.words.insert(format!("{first} {last}").to_lowercase());
        }
    }

    /// The ids of their contacts.
    fn contacts(&self) -> Vec<String> {
        let ids = self.ids.get(&Object::Contact);
        ids.into_iter().flatten().cloned().collect()
    }

    fn all_ids(&self) -> impl Iterator<Item = &String> {
        self.ids.values().flatten()
    }

    /// What finds them in the results of enrichment: names are not enough there.
    pub(super) fn identities(&self) -> Vec<String> {
        let ids = self.all_ids().filter(|id| id.len() >= SHORTEST_ID);
        self.emails
            .iter()
            .cloned()
            .chain(ids.map(|id| id.to_lowercase()))
            .collect()
    }

    /// Whether a text tells of them.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let long = self.all_ids().filter(|id| id.len() >= SHORTEST_ID);
        let named = self.emails.iter().chain(&self.words);
        let mut short = self.all_ids().filter(|id| id.len() < SHORTEST_ID);
        named
            .cloned()
            .chain(long.map(|id| id.to_lowercase()))
            .any(|word| has_word(&text, &word))
            || short.any(|id| {
                let id = id.to_lowercase();
                text.contains(&format!("\"{id}\"")) || has_word(&text, &format!("/{id}"))
            })
    }
}

/// Whether a text has a word that doesn't go on before or after. An address goes on with other
/// characters than a name.
fn has_word(text: &str, word: &str) -> bool {
    let is_address = word.contains('@');
    let goes_on = |char: char| char.is_alphanumeric() || (is_address && "-_+".contains(char));
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let mut before = before.chars().rev();
        let mut after = after.chars();
        // A dot is the end of a sentence, unless an address goes on.
        let is_joined = |char: Option<char>, next: Option<char>| match char {
            Some('.') if is_address => next.is_some_and(goes_on),
            char => char.is_some_and(goes_on),
        };
        // What begins with a sign is not continued to the left.
        let begins =
            !word.starts_with(char::is_alphanumeric) || !is_joined(before.next(), before.next());
        begins && !is_joined(after.next(), after.next())
    })
}

impl Store {
    /// The records of who has this address: contacts, with their sequence states, users and
    /// mailboxes, deleted ones too.
    pub(super) async fn find_person(
        &self,
        connection: &Connection,
        email: &str,
    ) -> Result<Person, StoreError> {
        let mut person = Person::with(email);
        let emails = [email.to_owned()];
        let found = self.found_by::<Contact>(connection, Search::Emails(&emails));
        for contact in found.await? {
            let fields = contact.fields;
            person.is_called(fields.first_name.as_ref(), fields.last_name.as_ref());
            let addresses = fields.email_addresses.into_iter();
            let addresses = addresses.map(|it| it.email_address.trim().to_lowercase());
            person.emails.extend(addresses);
            let numbers = fields.phone_numbers.into_iter();
            let numbers = numbers.filter_map(|it| it.phone_number);
            let long = numbers.filter(|number| number.len() >= SHORTEST_NUMBER);
            person
                .words
                .extend(long.map(|number| number.to_lowercase()));
            person.add(Object::Contact, contact.id);
        }
        for contact_id in person.contacts() {
            let search = Search::State {
                contact_id: Some(&contact_id),
                sequence_id: None,
            };
            for state in self.found_by::<SequenceState>(connection, search).await? {
                person.add(Object::SequenceState, state.id);
            }
        }
        let users = self.found_by::<User>(connection, Search::User(UserSearch::Email(email)));
        for user in users.await? {
            person.is_called(
                user.fields.first_name.as_ref(),
                user.fields.last_name.as_ref(),
            );
            person.add(Object::User, user.id);
        }
        let mailboxes =
            self.found_by::<Mailbox>(connection, Search::User(UserSearch::Email(email)));
        for mailbox in mailboxes.await? {
            person.add(Object::Mailbox, mailbox.id);
        }
        Ok(person)
    }

    async fn found_by<T: Table>(
        &self,
        connection: &Connection,
        search: Search<'_>,
    ) -> Result<Vec<Row<T>>, StoreError> {
        let mut found: Vec<Row<T>> = Vec::new();
        loop {
            let query = RecordQuery {
                connection,
                modified: None,
                include_deleted: true,
                include_raw_data: false,
                search: Some(search),
                cursor: found
                    .last()
                    .map(|row| (row.last_modified_at, row.id.clone())),
                offset: 0,
                reverse: false,
                limit: ROWS_AT_ONCE,
            };
            let batch = self.list_records::<T>(&query).await?;
            found.extend(batch.rows);
            if !batch.more {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_of_a_person_by_address_id_number_or_whole_name() {
        let mut lin = Person::with("Lin@Heron.example");
        lin.add(Object::Contact, "66f86d3764d33018610d6972".to_owned());
        lin.add(Object::User, "17".to_owned());
        lin.is_called(Some(&"Lin".to_owned()), Some(&"Heron".to_owned()));
        for text in [
            "to LIN@heron.example, today",
            "PATCH /api/v1/contacts/66f86d3764d33018610d6972",
            r#"{"owner_id":"17"}"#,
            "GET /api/v2/users/17/x",
            "calls 'Lin Heron'",
        ] {
            assert!(lin.is_in(text), "{text}");
        }
        for text in [
            "to berlin@heron.example",
            "lin@heron.example.com2 and 17",
            r#"{"count":17,"id":"170"}"#,
            "GET /api/v2/users/171",
            "Lin Heronsgate",
        ] {
            assert!(!lin.is_in(text), "{text}");
        }
    }
}
