//! What happens to a team's tokens, in dialects with an OAuth server.

use chrono::{DateTime, Utc};

use super::Team;
use crate::tokens::{TokenOptions, TokenPair};

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

    /// Adds those of the tokens that are for the team, whose index is `at`, or the default if there are none.
    pub(crate) fn add_lasting_tokens(
        &mut self,
        at: usize,
        tokens: &[TokenOptions],
        default: fn(usize) -> TokenOptions,
    ) {
        let given = tokens.iter().filter(|token| token.team == at);
        let mut tokens: Vec<TokenOptions> = given.cloned().collect();
        if tokens.is_empty() {
            tokens.push(default(at));
        }
        for token in tokens {
            if let Some(user) = self.users.all().get(token.user) {
                let pair = (token.access.as_str(), token.refresh.as_str());
                self.grants.add_lasting(&user.id, pair, &token.scopes);
            }
        }
    }

    /// Whether the refresh token would bring a new pair now.
    pub fn takes_refresh_token(&self, now: DateTime<Utc>, token: &str) -> bool {
        self.grants.takes_refresh(now, token)
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
