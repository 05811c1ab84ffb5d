//! Which provider account a request counts against.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use syncline_model::ProviderName;

use crate::Credentials;

/// The name of the account behind some credentials: that of the team, which all its keys share, or
/// of the key itself while the team is unknown. The key can't be derived from it.
pub fn account_id(provider: ProviderName, team: Option<&str>, credentials: &Credentials) -> String {
    if let Some(team) = team {
        return format!("{provider}:team:{team}");
    }
    let digest = Sha256::digest(credentials.sent_secret().expose_secret());
    format!("{provider}:key:{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_team_share_an_account_and_unknown_ones_have_their_own() {
        const PROVIDER: ProviderName = ProviderName::literal("provider");
        let (one, other) = (Credentials::api_key("k1"), Credentials::api_key("k2"));
        let of = |team, key| account_id(PROVIDER, team, key);
        assert_eq!(of(Some("t"), &one), of(Some("t"), &other));
        assert_ne!(of(None, &one), of(None, &other));
        assert!(!of(None, &one).contains("k1"));
    }
}
