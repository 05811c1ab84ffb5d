//! The jobs: lists over a small set of people, so that the same ones are asked about again and again.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::enrichment::{Kind, Lead, MatchOptions};
use syncline_store::{NewEnrichmentItem, NewEnrichmentJob};

use crate::dice::Dice;

/// People that Apollo knows, and people that it doesn't.
pub(super) const KNOWN: usize = 40;
const UNKNOWN: usize = 8;

pub(super) fn email(number: usize) -> String {
    format!("person{number}@heron.example")
}

/// What may be asked about a person: it decides what is the same question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) email: String,
    pub(super) numbers: bool,
    pub(super) personal: bool,
}

/// How often a question may be paid for: once, and once more for each time that somebody asked for it
/// again although it may have been paid for.
#[derive(Debug, Default)]
pub(super) struct Allowed(BTreeMap<Question, u64>);

impl Allowed {
    pub(super) fn once_more(&mut self, question: &Question) {
        *self.0.entry(question.clone()).or_default() += 1;
    }

    /// The most matches of a person that may be paid for, over all questions about that person.
    pub(super) fn matches_of(&self, email: &str, asked: &BTreeSet<Question>) -> u64 {
        let questions = asked.iter().filter(|it| it.email == email);
        questions
            .map(|it| 1 + self.0.get(it).copied().unwrap_or_default())
            .sum()
    }
}

pub(super) struct DrawnJob {
    pub(super) new: NewEnrichmentJob,
    pub(super) questions: Vec<Question>,
}

pub(super) fn draw(dice: &mut Dice) -> DrawnJob {
    let options = MatchOptions {
        reveal_phone_number: dice.chance(3_000),
        reveal_personal_emails: dice.chance(2_000),
        ..MatchOptions::default()
    };
    let retry_uncertain = dice.chance(1_000);
    let length = dice.between(1, 45);
    let mut questions = Vec::new();
    let mut items = Vec::new();
    for _ in 0..length {
        if dice.chance(300) {
            let lead = Lead::default();
            items.push(item(lead));
            continue;
        }
        let email = email(dice.below(KNOWN + UNKNOWN));
        questions.push(Question {
            email: email.clone(),
            numbers: options.reveal_phone_number,
            personal: options.reveal_personal_emails,
        });
        items.push(item(Lead {
            email: Some(email),
            ..Lead::default()
        }));
    }
    let max_credits = dice.chance(4_000).then(|| dice.between(0, 60));
    DrawnJob {
        new: NewEnrichmentJob {
            kind: Kind::People,
            options,
            reuse_days: 30,
            retry_uncertain,
            max_credits,
            columns: None,
            fingerprint: None,
            foreground: false,
            items,
        },
        questions,
    }
}

fn item(lead: Lead) -> NewEnrichmentItem {
    NewEnrichmentItem {
        line: None,
        reference: None,
        lead: lead
            .clone()
            .checked(Kind::People)
            .map_err(|error| (lead, error)),
        cells: None,
    }
}
