//! Authorization codes, access tokens and refresh tokens.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::switches::{OldRefreshToken, SalesloftSwitches};
use crate::tokens::TokenPair;

const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);

/// Lifetime of an access token in seconds. Refresh tokens have no documented end.
pub(super) const ACCESS_SECONDS: i64 = 7_200;

/// The scopes of a token; `None` is all of them.
pub(crate) type Scopes = Option<Vec<String>>;

/// All grants of one team.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    codes: Vec<Code>,
    access: HashMap<String, Access>,
    /// In the order issued.
    refresh: Vec<Refresh>,
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
    /// The refresh token that it was issued for.
    replaces: Option<String>,
}

#[derive(Debug)]
struct Refresh {
    token: String,
    /// The access token of the pair.
    access: String,
    user_id: String,
    scopes: Scopes,
    runs_out: Option<DateTime<Utc>>,
    revoked: bool,
}

/// The code or the refresh token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidGrant;

impl Access {
    pub(super) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.runs_out.is_none_or(|at| now < at)
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        let scopes = self.scopes.as_ref();
        scopes.is_none_or(|scopes| scopes.iter().any(|known| known == scope))
    }
}

impl Grants {
    /// Adds a pair that does not expire.
    pub(super) fn add_lasting(
        &mut self,
        user_id: &str,
        (access, refresh): (&str, &str),
        scopes: &Scopes,
    ) {
        self.add(user_id, (access, refresh), scopes, None);
    }

    fn add(
        &mut self,
        user_id: &str,
        (access, refresh): (&str, &str),
        scopes: &Scopes,
        runs_out: Option<DateTime<Utc>>,
    ) {
        let fresh = Access {
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out,
            revoked: false,
            replaces: None,
        };
        self.access.insert(access.to_owned(), fresh);
        self.refresh.push(Refresh {
            token: refresh.to_owned(),
            access: access.to_owned(),
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

    pub(super) fn knows_refresh(&self, token: &str) -> bool {
        self.refresh.iter().any(|known| known.token == token)
    }

    pub(super) fn exchange(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenPair, InvalidGrant> {
        let at = self.codes.iter().position(|known| known.text == code);
        // A refused request uses the code up as well.
        let code = self.codes.remove(at.ok_or(InvalidGrant)?);
        if now >= code.runs_out || code.redirect_uri != redirect_uri {
            return Err(InvalidGrant);
        }
        Ok(self.issue(now, (team_id, &code.user_id), code.scopes))
    }

    /// Issues a new pair for a refresh token. The old one dies as switched.
    pub(super) fn refresh(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        token: &str,
        switches: &SalesloftSwitches,
    ) -> Result<TokenPair, InvalidGrant> {
        let known = self.refresh.iter().find(|known| known.token == token);
        let known = known.ok_or(InvalidGrant)?;
        if known.revoked || known.runs_out.is_some_and(|at| now >= at) {
            return Err(InvalidGrant);
        }
        let (user_id, scopes) = (known.user_id.clone(), known.scopes.clone());
        let old_access = known.access.clone();
        if switches.refresh_ends_old_access
            && let Some(access) = self.access.get_mut(&old_access)
        {
            access.revoked = true;
        }
        if switches.old_refresh_token == OldRefreshToken::DeadAtOnce {
            self.end_refresh(token);
        }
        let pair = self.issue(now, (team_id, &user_id), scopes);
        if switches.old_refresh_token == OldRefreshToken::UntilAccessIsUsed
            && let Some(access) = self.access.get_mut(&pair.access)
        {
            access.replaces = Some(token.to_owned());
        }
        Ok(pair)
    }

    fn end_refresh(&mut self, token: &str) {
        let mut refresh = self.refresh.iter_mut();
        if let Some(old) = refresh.find(|known| known.token == token) {
            old.revoked = true;
        }
    }

    /// Notes that an access token was used, which can end the refresh token that it came from.
    pub(super) fn note_use(&mut self, access: &str) {
        let access = self.access.get_mut(access);
        if let Some(token) = access.and_then(|access| access.replaces.take()) {
            self.end_refresh(&token);
        }
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
        let access = digest(&format!("access {team_id} {user_id} {nth}"));
        let refresh = digest(&format!("refresh {team_id} {user_id} {nth}"));
        self.add(user_id, (&access, &refresh), &scopes, Some(runs_out));
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
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
