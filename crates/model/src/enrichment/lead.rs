//! A lead: what a caller knows of a person or a company, and asks the provider about.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::spelling::{bare_host, is_domain, is_email};

/// What a job's list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = enrichment_kind)]
pub enum Kind {
    People,
    Companies,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::People, Self::Companies];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Companies => "companies",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What is asked for beside a match. Each may cost further credits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = enrichment_match_options)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent yes-or-no question"
)]
pub struct MatchOptions {
    #[schema(required = true)]
    pub reveal_personal_emails: bool,
    #[schema(required = true)]
    pub reveal_phone_number: bool,
    #[schema(required = true)]
    pub run_waterfall_email: bool,
    #[schema(required = true)]
    pub run_waterfall_phone: bool,
}

impl MatchOptions {
    /// Whether a part of the answer comes later, by a call of the provider's.
    pub fn has_late_answers(&self) -> bool {
        self.reveal_phone_number || self.run_waterfall_email || self.run_waterfall_phone
    }
}

/// A person or a company that the provider is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = enrichment_lead)]
pub struct Lead {
    /// The provider's own id of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkedin_url: Option<String>,
    /// The whole name, in place of first and last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The employer's, or the company's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
}

/// Why a lead can't match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct LeadError {
    pub field: &'static str,
    pub reason: String,
}

/// The longest value of a field, in characters. Longer ones are no names.
const LONGEST: usize = 255;

impl Lead {
    /// The names of its fields.
    pub const FIELDS: [&str; 8] = [
        "id",
        "email",
        "linkedin_url",
        "name",
        "first_name",
        "last_name",
        "domain",
        "organization_name",
    ];

    /// The field with that name.
    pub fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "id" => &mut self.id,
            "email" => &mut self.email,
            "linkedin_url" => &mut self.linkedin_url,
            "name" => &mut self.name,
            "first_name" => &mut self.first_name,
            "last_name" => &mut self.last_name,
            "domain" => &mut self.domain,
            "organization_name" => &mut self.organization_name,
            _ => return None,
        })
    }

    /// The lead in the one spelling in which it is asked about and compared, if it can match anybody.
    pub fn checked(mut self, kind: Kind) -> Result<Self, LeadError> {
        for name in Self::FIELDS {
            let Some(field) = self.field(name) else {
                continue;
            };
            let value = field.take().map(|text| collapsed(&text));
            *field = value.filter(|text| !text.is_empty());
            if let Some(text) = field {
                check_text(name, text)?;
            }
        }
        if let Some(domain) = &mut self.domain {
            *domain = bare_host(domain).into_owned();
            if !is_domain(domain) {
                return Err(wrong("domain", "must be a domain, such as heron.example"));
            }
        }
        match kind {
            Kind::People => self.checked_person(),
            Kind::Companies => self.checked_company(),
        }
    }

    fn checked_person(mut self) -> Result<Self, LeadError> {
        if let Some(email) = &mut self.email {
            *email = email.to_lowercase();
            if !is_email(email) {
                return Err(wrong("email", "must be an e-mail address"));
            }
        }
        if let Some(url) = &mut self.linkedin_url {
            *url = profile(url).ok_or_else(|| {
                let right = "must be a profile, such as https://www.linkedin.com/in/ines-heron";
                wrong("linkedin_url", right)
            })?;
        }
        let has_name =
            self.name.is_some() || (self.first_name.is_some() && self.last_name.is_some());
        let has_employer = self.domain.is_some() || self.organization_name.is_some();
        let can_match = self.id.is_some()
            || self.email.is_some()
            || self.linkedin_url.is_some()
            || (has_name && has_employer);
        if can_match {
            return Ok(self);
        }
        Err(if has_name {
            wrong(
                "domain",
                "a name needs the employer's domain or organization_name beside it",
            )
        } else {
            wrong(
                "email",
                "give an email, a linkedin_url, an id, or a name with domain or organization_name",
            )
        })
    }

    fn checked_company(mut self) -> Result<Self, LeadError> {
        // Only its domain finds a company.
        self.name = None;
        if self.domain.is_none() {
            return Err(wrong("domain", "give the company's domain"));
        }
        Ok(self)
    }

    /// What is asked, the same text for the same question. The lead is [`checked`](Self::checked).
    pub fn question(&self, kind: Kind, options: &MatchOptions) -> String {
        let lead = match kind {
            Kind::Companies => Self {
                domain: self.domain.clone(),
                ..Self::default()
            },
            Kind::People => Self {
                name: lower(self.name.as_ref()),
                first_name: lower(self.first_name.as_ref()),
                last_name: lower(self.last_name.as_ref()),
                organization_name: lower(self.organization_name.as_ref()),
                ..self.clone()
            },
        };
        let options = match kind {
            Kind::People => *options,
            // They say what is told of a person.
            Kind::Companies => MatchOptions::default(),
        };
        serde_json::json!([kind, options, lead]).to_string()
    }
}

fn check_text(field: &'static str, text: &str) -> Result<(), LeadError> {
    if text.chars().count() > LONGEST {
        let reason = format!("must have at most {LONGEST} characters");
        return Err(LeadError { field, reason });
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(field, "must not contain control characters"));
    }
    Ok(())
}

fn wrong(field: &'static str, reason: &str) -> LeadError {
    LeadError {
        field,
        reason: reason.to_owned(),
    }
}

/// Without white space at its ends, and with one space where there is some within.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lower(text: Option<&String>) -> Option<String> {
    text.map(|text| text.to_lowercase())
}

/// The address of a profile without scheme, port, parameters and needless slashes, in small letters: the
/// network takes them as the same.
fn profile(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/')?;
    let host = host.split(':').next()?.to_lowercase();
    let is_linkedin = host == "linkedin.com" || host.ends_with(".linkedin.com");
    let path = path.split(['?', '#']).next()?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = parts.join("/").to_lowercase();
    let plain = !path.is_empty() && !path.contains(char::is_whitespace);
    (is_linkedin && plain).then(|| format!("https://www.linkedin.com/{path}"))
}

#[cfg(test)]
#[path = "lead_tests.rs"]
mod tests;
