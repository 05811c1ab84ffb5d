//! Authorization codes, access tokens and refresh tokens.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::tokens::TokenPair;

const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Lifetime of an access token in seconds.
pub(super) const ACCESS_SECONDS: i64 = 7_200;

const REFRESH_LIFE: TimeDelta = TimeDelta::days(14);

/// Number of newer tokens of the same user after which a refresh token is invalid.
const MOST_NEWER: usize = 100;

/// Minimum time between two new token pairs of a user, if the second is for a refresh token.
const THROTTLE: TimeDelta = TimeDelta::seconds(60);

/// The scopes of a token; `None` is all of them.
pub(crate) type Scopes = Option<Vec<String>>;

/// All grants of one organisation.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: Vec<Code>,
    access: HashMap<String, Access>,
    /// In the order issued.
    refresh: Vec<Refresh>,
    minted_at: HashMap<String, DateTime<Utc>>,
    issued: u64,
}

#[derive(Debug)]
struct Code {
    text: String,
    user_id: String,
    redirect_uri: String,
    scopes: Scopes,
    runs_out: DateTime<Utc>,
}

/// An access token.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) user_id: String,
    pub(super) scopes: Scopes,
    runs_out: Option<DateTime<Utc>>,
    revoked: bool,
}

#[derive(Debug)]
struct Refresh {
    token: String,
    user_id: String,
    scopes: Scopes,
    runs_out: Option<DateTime<Utc>>,
    revoked: bool,
}

/// Why no new pair is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenError {
    InvalidGrant,
    TooSoon,
}

impl Access {
    pub(super) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.runs_out.is_none_or(|at| now < at)
    }

    /// Whether the token has a scope such as `prospects.read`, directly or through `prospects.all`.
    pub(super) fn has_scope(&self, scope: &str) -> bool {
        let Some(scopes) = &self.scopes else {
            return true;
        };
        let (plural, _) = scope.split_once('.').unwrap_or((scope, ""));
        let all = format!("{plural}.all");
        scopes.iter().any(|known| known == scope || *known == all)
    }
}

impl Grants {
    /// Adds a pair that does not expire.
    pub(crate) fn add_lasting(
        &mut self,
        user_id: &str,
        access: &str,
        refresh: &str,
        scopes: &Scopes,
    ) {
        let lasting = Access {
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: None,
            revoked: false,
        };
        self.access.insert(access.to_owned(), lasting);
        self.refresh.push(Refresh {
            token: refresh.to_owned(),
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: None,
            revoked: false,
        });
    }

    /// Issues an authorization code, which can be exchanged once.
    pub(super) fn add_code(
        &mut self,
        now: DateTime<Utc>,
        (team_id, user_id): (&str, &str),
        redirect_uri: &str,
        scopes: Scopes,
    ) -> String {
        self.issued += 1;
        let code = digest(&format!("code {team_id} {user_id} {}", self.issued));
        self.codes.push(Code {
            text: code.clone(),
            user_id: user_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            scopes,
            runs_out: now + CODE_LIFE,
        });
        code
    }

    pub(super) fn knows_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known.text == code)
    }

    pub(super) fn exchange(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenPair, TokenError> {
        let at = self.codes.iter().position(|known| known.text == code);
        // A refused request uses the code up as well.
        let code = self.codes.remove(at.ok_or(TokenError::InvalidGrant)?);
        if now >= code.runs_out || code.redirect_uri != redirect_uri {
            return Err(TokenError::InvalidGrant);
        }
        self.minted_at.insert(code.user_id.clone(), now);
        Ok(self.issue(now, (team_id, &code.user_id), code.scopes))
    }

    pub(super) fn knows_refresh(&self, token: &str) -> bool {
        self.refresh.iter().any(|known| known.token == token)
    }

    pub(super) fn refresh(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        token: &str,
        (throttled, old_stays): (bool, bool),
    ) -> Result<TokenPair, TokenError> {
        let at = self.refresh.iter().position(|known| known.token == token);
        let at = at.ok_or(TokenError::InvalidGrant)?;
        let newer = self.refresh.iter().skip(at + 1);
        let known = self.refresh.get(at).ok_or(TokenError::InvalidGrant)?;
        let newer = newer.filter(|other| other.user_id == known.user_id).count();
        let ran_out = known.runs_out.is_some_and(|at| now >= at);
        if known.revoked || ran_out || newer >= MOST_NEWER {
            return Err(TokenError::InvalidGrant);
        }
        let (user_id, scopes) = (known.user_id.clone(), known.scopes.clone());
        let last = self.minted_at.get(&user_id);
        if throttled && last.is_some_and(|last| now - *last < THROTTLE) {
            return Err(TokenError::TooSoon);
        }
        self.minted_at.insert(user_id.clone(), now);
        if !old_stays && let Some(old) = self.refresh.get_mut(at) {
            old.revoked = true;
        }
        Ok(self.issue(now, (team_id, &user_id), scopes))
    }

    pub(crate) fn issue(
        &mut self,
        now: DateTime<Utc>,
        (team_id, user_id): (&str, &str),
        scopes: Scopes,
    ) -> TokenPair {
        self.issued += 1;
        let runs_out = now + TimeDelta::seconds(ACCESS_SECONDS);
        let nth = self.issued;
        let payload = format!(
            r#"{{"sub":"{user_id}","org":"{team_id}","jti":{nth},"exp":{}}}"#,
            runs_out.timestamp()
        );
        let access = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS512"}"#),
            URL_SAFE_NO_PAD.encode(&payload),
            digest(&payload)
        );
        let refresh = digest(&format!("refresh {team_id} {user_id} {nth}"));
        let fresh = Access {
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: Some(runs_out),
            revoked: false,
        };
        self.access.insert(access.clone(), fresh);
        self.refresh.push(Refresh {
            token: refresh.clone(),
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: Some(now + REFRESH_LIFE),
            revoked: false,
        });
        TokenPair {
            access,
            refresh,
            scopes: scopes.unwrap_or_default(),
        }
    }

    pub(super) fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    /// Expires all access tokens; refresh tokens stay valid.
    pub(crate) fn expire_access(&mut self, now: DateTime<Utc>) {
        for access in self.access.values_mut() {
            access.runs_out = Some(access.runs_out.map_or(now, |at| at.min(now)));
        }
    }

    /// Expires all refresh tokens; access tokens stay valid.
    pub(crate) fn expire_refresh(&mut self, now: DateTime<Utc>) {
        for refresh in &mut self.refresh {
            refresh.runs_out = Some(refresh.runs_out.map_or(now, |at| at.min(now)));
        }
    }

    /// Revokes all tokens of a user, or of everybody.
    pub(crate) fn revoke(&mut self, user_id: Option<&str>) {
        let concerned = |of: &str| user_id.is_none_or(|user_id| user_id == of);
        let access = self.access.values_mut();
        for access in access.filter(|access| concerned(&access.user_id)) {
            access.revoked = true;
        }
        let refresh = self.refresh.iter_mut();
        for refresh in refresh.filter(|refresh| concerned(&refresh.user_id)) {
            refresh.revoked = true;
        }
    }
}

fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}
