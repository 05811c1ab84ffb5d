//! What happens to a team's tokens, in dialects with an OAuth server.

use chrono::{DateTime, Utc};

use super::Team;
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
        self.grants.issue(now, (&self.id, user_id), scopes)
    }

    /// Expires all access tokens.
    pub fn expire_access_tokens(&mut self, now: DateTime<Utc>) {
        self.grants.expire_access(now);
    }

    /// Expires all refresh tokens.
    pub fn expire_refresh_tokens(&mut self, now: DateTime<Utc>) {
        self.grants.expire_refresh(now);
    }

    /// Removes the application for one user or for everybody: all their tokens become invalid.
    pub fn revoke_tokens(&mut self, user_id: Option<&str>) {
        self.grants.revoke(user_id);
    }
}
