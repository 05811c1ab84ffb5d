//! Companies as Apollo's database knows them, which enrichment sells: here, the team's accounts and
//! those of a database.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::Team;
use super::account::Account;
use super::contact::Contact;
use super::location::Location;
use super::table::{Order, Row};

const INDUSTRIES: [&str; 8] = [
    "information technology & services",
    "computer software",
    "logistics & supply chain",
    "hospital & health care",
    "insurance",
    "renewables & environment",
    "machinery",
    "food & beverages",
];

/// A company in the database.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    /// Missing for a company of which only the name is known.
    pub(crate) figures: Option<Figures>,
    pub(crate) location: Option<Location>,
    pub(crate) phone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) industry: &'static str,
    pub(crate) employees: u64,
    pub(crate) revenue: u64,
}

impl Team {
    /// The company where a person works: their account, or the account with their address's domain,
    /// or a company of which only the name is known.
    pub(crate) fn employer_of(&self, contact: &Contact) -> Option<Company> {
        let account = contact.account_id.as_deref();
        if let Some(account) = account.and_then(|id| self.live_account(id).ok()) {
            return Some(Company::of(account));
        }
        let domain = contact.email().and_then(|email| email.split_once('@'));
        let domain = domain.map(|(_, domain)| domain.to_lowercase());
        let known = domain.as_deref().and_then(|domain| self.company_at(domain));
        known.or_else(|| {
            let name = contact.organization_name.clone()?;
            let digest = Sha256::digest(name.as_bytes());
            let id = digest.iter().take(12).map(|byte| format!("{byte:02x}"));
            Some(Company {
                id: contact.organization_id.clone().unwrap_or(id.collect()),
                name,
                domain,
                figures: None,
                location: None,
                phone: None,
            })
        })
    }

    /// The company with that name; several accounts can have it.
    pub(crate) fn company_named(&self, name: &str) -> Option<Company> {
        let is_named = |known: &str| known.to_lowercase() == name.to_lowercase();
        let mut accounts = self.accounts.listed();
        let account = accounts.find(|account| is_named(&account.name));
        let mut others = self.companies.listed();
        account
            .map(Company::of)
            .or_else(|| others.find(|company| is_named(&company.name)).cloned())
    }

    /// The company with that domain; several accounts can have it.
    pub(crate) fn company_at(&self, domain: &str) -> Option<Company> {
        let at_domain = |known: Option<&str>| {
            let known = known.unwrap_or_default();
            known.eq_ignore_ascii_case(domain)
        };
        let mut accounts = self.accounts.listed();
        let account = accounts.find(|account| at_domain(account.domain.as_deref()));
        let mut others = self.companies.listed();
        account.map(Company::of).or_else(|| {
            let other = others.find(|company| at_domain(company.domain.as_deref()));
            other.cloned()
        })
    }
}

impl Company {
    fn of(account: &Account) -> Self {
        let domain = account.domain.as_deref().map(str::to_lowercase);
        let id = account.organization_id.as_ref().unwrap_or(&account.id);
        Self::with_figures(id.clone(), account.name.clone(), domain)
    }

    /// A company with invented figures.
    pub(super) fn with_figures(id: String, name: String, domain: Option<String>) -> Self {
        Self {
            id,
            figures: Some(Figures::invent(domain.as_deref().unwrap_or(&name))),
            name,
            domain,
            location: None,
            phone: None,
        }
    }
}

impl Row for Company {
    fn id(&self) -> &str {
        &self.id
    }

    fn listed(&self) -> bool {
        true
    }

    fn created_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    /// All are equal, so they are sorted by their ids.
    fn rank(&self, _: Order) -> i64 {
        0
    }
}

impl Figures {
    /// The same result every time for one name or domain.
    fn invent(key: &str) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let number = digest.iter().take(4);
        let number = number.fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let industry = INDUSTRIES.get(number % INDUSTRIES.len());
        let employees = u64::try_from(10 + number / INDUSTRIES.len() % 4_990).unwrap_or(10);
        Self {
            industry: industry.copied().unwrap_or_default(),
            employees,
            revenue: employees * 150_000,
        }
    }

    /// In millions, in the usual notation.
    pub(crate) fn printed_revenue(&self) -> String {
        let (whole, tenth) = (self.revenue / 1_000_000, self.revenue % 1_000_000 / 100_000);
        match tenth {
            0 => format!("{whole}M"),
            tenth => format!("{whole}.{tenth}M"),
        }
    }
}
