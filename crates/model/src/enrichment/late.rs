//! What a provider tells later, at a callback: phone numbers, and the results of a waterfall.

use serde::{Deserialize, Serialize};

use super::EnrichedPerson;
use crate::PhoneNumber;

/// What came to a batch's callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateAnswer {
    pub people: Vec<LatePerson>,
    /// What the provider took in addition, rounded up, if it says so.
    pub credits: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatePerson {
    /// The provider's id.
    pub id: String,
    pub phone_numbers: Vec<PhoneNumber>,
    pub email: Option<LateEmail>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateEmail {
    pub address: String,
    /// In the provider's word.
    pub status: Option<String>,
}

impl LatePerson {
    /// What came later of a person, as far as it is known.
    pub fn of(id: &str, person: &EnrichedPerson) -> Self {
        Self {
            id: id.to_owned(),
            phone_numbers: person.phone_numbers.clone(),
            email: person.email.clone().map(|address| LateEmail {
                address,
                status: person.email_status.clone(),
            }),
        }
    }
}

/// The most numbers that are kept of a person: nobody has more.
const MOST_NUMBERS: usize = 50;

impl EnrichedPerson {
    /// Adds what came later. The same a second time changes nothing.
    pub fn add_late(&mut self, late: &LatePerson) {
        for number in &late.phone_numbers {
            let is_full = self.phone_numbers.len() >= MOST_NUMBERS;
            let known = self
                .phone_numbers
                .iter_mut()
                .find(|known| known.phone_number == number.phone_number);
            match known {
                Some(known) => known.clone_from(number),
                None if is_full => {}
                None => self.phone_numbers.push(number.clone()),
            }
        }
        if let Some(email) = &late.email {
            self.email = Some(email.address.clone());
            self.email_status.clone_from(&email.status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &str) -> PhoneNumber {
        PhoneNumber {
            phone_number: Some(digits.to_owned()),
            phone_number_type: None,
        }
    }

    #[test]
    fn numbers_that_come_twice_are_there_once() {
        let mut person = EnrichedPerson::default();
        let mut late = LatePerson {
            id: "p1".to_owned(),
            phone_numbers: vec![number("+1"), number("+2")],
            email: None,
        };
        person.add_late(&late);
        person.add_late(&late);
        assert_eq!(person.phone_numbers, [number("+1"), number("+2")]);
        late.phone_numbers = vec![number("+3")];
        late.email = Some(LateEmail {
            address: "ines@heron.example".to_owned(),
            status: Some("Verified".to_owned()),
        });
        person.add_late(&late);
        assert_eq!(person.phone_numbers.len(), 3);
        assert_eq!(person.email.as_deref(), Some("ines@heron.example"));
    }
}
