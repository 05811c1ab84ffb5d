//! What a provider knows of a person or a company, in one shape for all providers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PhoneNumber, live::Company};

/// A person as the provider knows them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = enriched_person)]
pub struct EnrichedPerson {
    /// The provider's id.
    #[schema(required = true)]
    pub id: Option<String>,
    #[schema(required = true)]
    pub first_name: Option<String>,
    #[schema(required = true)]
    pub last_name: Option<String>,
    #[schema(required = true)]
    pub name: Option<String>,
    #[schema(required = true)]
    pub title: Option<String>,
    #[schema(required = true)]
    pub headline: Option<String>,
    #[schema(required = true)]
    pub seniority: Option<String>,
    #[schema(required = true)]
    pub email: Option<String>,
    /// The provider's word for how sure it is: `verified`, `unverified`, `unavailable`, …
    #[schema(required = true)]
    pub email_status: Option<String>,
    #[schema(required = true)]
    pub personal_emails: Vec<String>,
    /// Empty until the provider has told them, which may take minutes.
    #[schema(required = true)]
    pub phone_numbers: Vec<PhoneNumber>,
    #[schema(required = true)]
    pub linkedin_url: Option<String>,
    #[schema(required = true)]
    pub city: Option<String>,
    #[schema(required = true)]
    pub state: Option<String>,
    #[schema(required = true)]
    pub country: Option<String>,
    #[schema(required = true)]
    pub company: Option<Company>,
}

/// What a provider knows of one lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = enriched)]
pub enum Enriched {
    Person(Box<EnrichedPerson>),
    Company(Company),
}
