//! What happens to a team's tokens, in dialects with an OAuth server.

use chrono::{DateTime, Utc};

use super::Team;
use crate::dialect::Dialect;
use crate::tokens::TokenPair;

impl Team {
    /// Issues a pair of tokens to a user without the consent page. `None` gives all scopes.
    pub fn grant_tokens(
        &mut self,
        now: DateTime<Utc>,
        user_id: &str,
        scopes: Option<&[&str]>,
    ) -> TokenPair {
        let scopes = scopes.map(|scopes| scopes.iter().map(|&scope| scope.to_owned()).collect());
        let ids = (self.id.as_str(), user_id);
        if self.dialect == Dialect::Salesloft {
            return self.salesloft.grants.issue(now, ids, scopes);
        }
        self.org.grants.issue(now, ids, scopes)
    }

    /// Expires all access tokens.
    pub fn expire_access_tokens(&mut self, now: DateTime<Utc>) {
        self.org.grants.expire_access(now);
        self.salesloft.grants.expire_access(now);
    }

    /// Expires all refresh tokens.
    pub fn expire_refresh_tokens(&mut self, now: DateTime<Utc>) {
        self.org.grants.expire_refresh(now);
        self.salesloft.grants.expire_refresh(now);
    }

    /// Removes the application for one user or for everybody: all their tokens become invalid.
    pub fn revoke_tokens(&mut self, user_id: Option<&str>) {
        self.org.grants.revoke(user_id);
        self.salesloft.grants.revoke(user_id);
    }
}
