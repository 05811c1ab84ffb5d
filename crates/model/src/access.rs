//! Authorization: which application an API key belongs to and what it may do.
//!
//! Reading needs only a valid key. Everything else needs a rule that allows it and is refused
//! without one. A key's own policy has its rules; a key without a policy has those of its role, so
//! the decision is made in one way for both ([`ApiKey::effective_policy`]).

mod rule;

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::rule::{InvalidRule, Rule, plain};
use crate::{Grants, Time};

/// The maximum number of rules in a list.
const MOST_RULES: usize = 100;

/// Paths under these prefixes can be written to.
const WRITABLE: &[&str] = &["/mgmt/v2/", "/engagement/v2/"];

/// An API key as it is stored: everything except the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: String,
    pub application_id: String,
    pub name: String,
    pub role: Role,
    /// Replaces what the role allows for passthrough, writes and credits.
    pub policy: Option<Policy>,
    /// What an agent may do; other keys have none.
    pub grants: Option<Grants>,
    pub created_at: Time,
    /// The key is invalid from this time on.
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// With a precision of one minute.
    pub last_used_at: Option<Time>,
}

impl ApiKey {
    /// The rules that apply to the key.
    pub fn effective_policy(&self) -> Cow<'_, Policy> {
        match &self.policy {
            Some(own) => Cow::Borrowed(own),
            None => Cow::Owned(Policy::of(self.role)),
        }
    }

    /// Whether nothing is forbidden to it. Asked for each request: of an administrator's key
    /// without rules it is known.
    pub fn is_unlimited(&self) -> bool {
        match (self.role, &self.policy) {
            (Role::Admin, None) => true,
            _ => self.effective_policy().is_unlimited(),
        }
    }

    /// Whether it is neither revoked nor expired.
    pub fn is_valid(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether a key with this role, policy and expiry could do nothing that this one can't.
    pub fn check_can_grant(
        &self,
        role: Role,
        policy: Option<&Policy>,
        expires_at: Option<Time>,
    ) -> Result<(), GrantViolation> {
        if self.role != Role::Admin && self.role != role {
            return Err(GrantViolation::Role);
        }
        // What actions do is no matter of rules, so a key with rules can't tell what it hands on.
        if role == Role::Agent && !self.is_unlimited() {
            return Err(GrantViolation::Policy);
        }
        let own = self.effective_policy();
        let others = policy.map_or_else(|| Cow::Owned(Policy::of(role)), Cow::Borrowed);
        if !own.covers(&others) {
            return Err(GrantViolation::Policy);
        }
        match (self.expires_at, expires_at) {
            (Some(own), None) => Err(GrantViolation::Expiry(own)),
            (Some(own), Some(other)) if other > own => Err(GrantViolation::Expiry(own)),
            _ => Ok(()),
        }
    }
}

/// In which respect a new key would exceed the key that creates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantViolation {
    Role,
    Policy,
    /// The creating key is valid until this time.
    Expiry(Time),
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = api_key_role)]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads and searches.
    ReadOnly,
    /// Reads, searches, and passthrough requests that cost no credits.
    Passthrough,
    /// The actions that its grants allow, and nothing else.
    Agent,
}

impl Role {
    pub const ALL: &'static [Self] = &[Self::Admin, Self::ReadOnly, Self::Passthrough, Self::Agent];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ReadOnly => "read-only",
            Self::Passthrough => "passthrough",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of admin, read-only, passthrough, agent")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        let mut roles = Self::ALL.iter().copied();
        roles
            .find(|role| role.as_str() == name)
            .ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// What a key may do beyond reading. What is not named is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = api_key_policy)]
pub struct Policy {
    /// Requests to the provider by passthrough and proxy, by the provider's path.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub passthrough: Vec<Rule>,
    /// Writes to this service, by its path: `/engagement/v2/…` and `/mgmt/v2/…`.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub writes: Vec<Rule>,
    /// Whether calls that cost the provider's credits are allowed: enrichment, and passthrough if a
    /// rule allows it.
    #[serde(default)]
    pub credits: bool,
}

impl Policy {
    /// What a role may do where a key has no policy of its own.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Admin => Self {
                passthrough: vec![Rule::anything()],
                writes: vec![Rule::anything()],
                credits: true,
            },
            Role::Passthrough => Self {
                passthrough: vec![Rule::anything()],
                ..Self::default()
            },
            Role::ReadOnly | Role::Agent => Self::default(),
        }
    }

    /// Whether every rule makes sense; the error names the field.
    pub fn check(&self) -> Result<(), InvalidRule> {
        for (field, rules) in [("passthrough", &self.passthrough), ("writes", &self.writes)] {
            if rules.len() > MOST_RULES {
                return Err(InvalidRule {
                    field: field.to_owned(),
                    reason: format!("must not have more than {MOST_RULES} rules"),
                });
            }
            for (number, rule) in rules.iter().enumerate() {
                rule.check(&format!("{field}[{number}]"))?;
            }
        }
        for (number, rule) in self.writes.iter().enumerate() {
            let somewhere = WRITABLE.iter().any(|base| rule.path.starts_with(base));
            if !somewhere && rule.path != "/**" {
                return Err(InvalidRule {
                    field: format!("writes[{number}].path"),
                    reason: format!("must begin with one of {}", WRITABLE.join(", ")),
                });
            }
        }
        Ok(())
    }

    /// Whether it forbids nothing.
    fn is_unlimited(&self) -> bool {
        self.covers(&Self::of(Role::Admin))
    }

    /// `path` is one of this service's paths, with its segments decoded.
    pub fn allows_write(&self, method: &str, path: &[&str]) -> bool {
        self.writes.iter().any(|rule| rule.allows(method, path))
    }

    /// `path` is a provider's path, normalized by [`plain`].
    pub fn allows_passthrough(&self, method: &str, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        let mut rules = self.passthrough.iter();
        rules.any(|rule| rule.in_plain().allows(method, &path))
    }

    /// Whether it allows everything that the other one allows. Each rule of the other must be
    /// covered by a single rule of this one; a rule that only several rules together cover counts
    /// as not covered.
    fn covers(&self, other: &Self) -> bool {
        let within = |own: &[Rule], others: &[Rule]| {
            let covered = |other: &Rule| own.iter().any(|rule| rule.covers(other));
            others.iter().all(covered)
        };
        let plain = |rules: &[Rule]| rules.iter().map(Rule::in_plain).collect::<Vec<_>>();
        within(&plain(&self.passthrough), &plain(&other.passthrough))
            && within(&self.writes, &other.writes)
            && (self.credits || !other.credits)
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
