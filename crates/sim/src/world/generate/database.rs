//! Generates Apollo's own database of people and companies.

use chrono::{DateTime, TimeDelta, Utc};

use super::ascii;
use crate::world::company::Company;
use crate::world::dice::{Dice, Mint};
use crate::world::location::Location;
use crate::world::person::Person;
use crate::world::{Team, names};

const COMPANIES: usize = 40;
const PEOPLE_OF_A_COMPANY: usize = 3;

/// Makes a seed of the world's seed, for the database alone.
const OF_DATABASE: u64 = 0x6461_7461_6261_5eed;

/// The first word that a title has says how high it is.
const SENIORITIES: &[(&str, &str)] = &[
    ("Founder", "founder"),
    ("Chief", "c_suite"),
    ("VP", "vp"),
    ("Head", "head"),
    ("Director", "director"),
    ("Manager", "manager"),
    ("Lead", "manager"),
    ("Architect", "senior"),
];

/// Draws from dice of its own: the rest of a seed's world is the same with and without a database.
#[derive(Debug)]
struct Drafts {
    dice: Dice,
    mint: Mint,
    epoch: DateTime<Utc>,
}

impl Team {
    /// It is the same for every team, so `seed` is that of the world.
    pub(super) fn add_database(&mut self, seed: u64, epoch: DateTime<Utc>) {
        let mut dice = Dice::new(seed ^ OF_DATABASE);
        let mint = Mint::object_ids(&mut dice);
        let first = dice.below(names::COMPANY_HEAD.len());
        let mut drafts = Drafts { dice, mint, epoch };
        let heads = names::COMPANY_HEAD.iter().cycle().skip(first);
        for head in heads.take(COMPANIES) {
            let company = drafts.company(head);
            for _ in 0..PEOPLE_OF_A_COMPANY {
                self.people.insert(drafts.person(&company));
            }
            self.companies.insert(company);
        }
    }
}

impl Drafts {
    fn id(&mut self) -> String {
        let years = TimeDelta::days(365 * 10);
        let created = self.dice.instant(self.epoch - years, self.epoch);
        self.mint.id(created)
    }

    fn location(&mut self, percent: usize) -> Option<Location> {
        let place = self.dice.pick(names::PLACE).copied();
        let place = place.filter(|_| self.dice.percent(percent));
        place.map(Location::known)
    }

    fn company(&mut self, head: &str) -> Company {
        let tail = self.dice.word(names::DATABASE_TAIL);
        let domain = format!("{}{}.example", ascii(head), ascii(tail));
        let phone = format!("+1212555{:04}", self.dice.between(100, 199));
        Company {
            location: self.location(90),
            phone: self.dice.percent(80).then_some(phone),
            ..Company::with_figures(self.id(), format!("{head} {tail}"), Some(domain))
        }
    }

    fn person(&mut self, company: &Company) -> Person {
        let (first, last) = (self.dice.word(names::FIRST), self.dice.word(names::LAST));
        let (local, number) = (
            format!("{}.{}", ascii(first), ascii(last)),
            self.dice.below(100_000),
        );
        let title = self.dice.word(names::TITLE);
        let title = self.dice.percent(95).then_some(title);
        let domain = company.domain.as_deref().unwrap_or_default();
        let email = self.dice.percent(85).then(|| format!("{local}@{domain}"));
        let known = self
            .dice
            .word(&["verified", "verified", "verified", "unverified"]);
        let profile = format!(
            "http://www.linkedin.com/in/{}-{number:05}",
            local.replace('.', "-")
        );
        Person {
            id: self.id(),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            title: title.map(str::to_owned),
            headline: title.map(|title| format!("{title} at {}", company.name)),
            linkedin_url: self.dice.percent(90).then_some(profile),
            email_status: Some(email.as_ref().map_or("unavailable", |_| known)),
            email,
            location: self.location(85),
            seniority: title.map(seniority_of),
            company: Some(company.clone()),
            contact_id: None,
            has_direct_phone: self.dice.percent(60),
            refreshed_at: Some(
                self.dice
                    .instant(self.epoch - TimeDelta::days(60), self.epoch),
            ),
        }
    }
}

fn seniority_of(title: &str) -> &'static str {
    let named = |word: &str| title.split(' ').any(|part| part == word);
    let mut ranks = SENIORITIES.iter().filter(|(word, _)| named(word));
    ranks.next().map_or("entry", |(_, seniority)| seniority)
}
