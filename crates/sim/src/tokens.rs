//! Tokens of users, in dialects with an OAuth server.

/// A pair of tokens that does not expire, for tests without the consent page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    /// The index of the team in [`Options::teams`](crate::Options::teams).
    pub team: usize,
    /// The index of the user in the team, in order of ids.
    pub user: usize,
    pub access: String,
    pub refresh: String,
    /// Scopes such as `prospects.read`; `None` is all of them.
    pub scopes: Option<Vec<String>>,
}

impl TokenOptions {
    /// The same with only these scopes.
    pub fn with_scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = Some(scopes.iter().map(|&scope| scope.to_owned()).collect());
        self
    }
}

/// A new pair of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    /// Empty for everything.
    pub scopes: Vec<String>,
    /// Lifetime of the access token in seconds.
    pub expires_in: i64,
}
