//! Authorization codes, access tokens and refresh tokens of a team, in dialects with an OAuth server.
//!
//! A dialect says what is different about its tokens in [`GrantRules`].

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::tokens::TokenPair;

const CODE_LIFE: TimeDelta = TimeDelta::minutes(10);

/// The scopes of a token; `None` is all of them.
pub(crate) type Scopes = Option<Vec<String>>;

/// What is different between the tokens of dialects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrantRules {
    pub(crate) form: TokenForm,
    pub(crate) access_life: TimeDelta,
    /// Lifetime of a refresh token; `None` is no end.
    pub(crate) refresh_life: Option<TimeDelta>,
    /// Number of newer tokens of the same user after which a refresh token is invalid; `None` is no limit.
    pub(crate) most_newer: Option<usize>,
    /// Minimum time between two new pairs of a user, if the second is for a refresh token.
    pub(crate) throttle: Option<TimeDelta>,
    pub(crate) old_refresh_token: OldRefreshToken,
    /// A refresh also ends the access token of the old pair.
    pub(crate) refresh_ends_old_access: bool,
}

/// How tokens look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenForm {
    /// Access tokens look like JWTs; codes and refresh tokens are in base64.
    Jwt,
    /// All are hexadecimal.
    Hex,
}

/// What becomes of a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldRefreshToken {
    DeadAtOnce,
    /// It works until the new access token is used.
    UntilAccessIsUsed,
    StaysValid,
}

/// All grants of one team.
#[derive(Debug)]
pub(crate) struct Grants {
    rules: GrantRules,
    codes: Vec<Code>,
    access: HashMap<String, Access>,
    /// In the order issued.
    refresh: Vec<Refresh>,
    /// When a user last got a pair for a code or a refresh token.
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
pub(crate) struct Access {
    pub(crate) user_id: String,
    scopes: Scopes,
    runs_out: Option<DateTime<Utc>>,
    revoked: bool,
    /// The refresh token that ends when this token is used.
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

/// Why no new pair is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantError {
    /// The code or the refresh token is not valid.
    Invalid,
    /// The user got a pair a moment ago.
    TooSoon,
}

impl Access {
    pub(crate) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.runs_out.is_none_or(|at| now < at)
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        let scopes = self.scopes.as_ref();
        scopes.is_none_or(|scopes| scopes.iter().any(|known| known == scope))
    }
}

/// Codes.
impl Grants {
    /// Issues an authorization code, which can be exchanged once.
    pub(crate) fn add_code(
        &mut self,
        now: DateTime<Utc>,
        (team_id, user_id): (&str, &str),
        redirect_uri: &str,
        scopes: Scopes,
    ) -> String {
        self.issued += 1;
        let seed = format!("code {team_id} {user_id} {}", self.issued);
        let code = self.rules.form.digest(&seed);
        self.codes.push(Code {
            text: code.clone(),
            user_id: user_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            scopes,
            runs_out: now + CODE_LIFE,
        });
        code
    }

    pub(crate) fn knows_code(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known.text == code)
    }

    /// Issues a pair for a code.
    pub(crate) fn exchange(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenPair, GrantError> {
        let at = self.codes.iter().position(|known| known.text == code);
        // A refused request uses the code up as well.
        let code = self.codes.remove(at.ok_or(GrantError::Invalid)?);
        if now >= code.runs_out || code.redirect_uri != redirect_uri {
            return Err(GrantError::Invalid);
        }
        self.minted_at.insert(code.user_id.clone(), now);
        Ok(self.issue(now, (team_id, &code.user_id), code.scopes))
    }
}

/// Pairs of tokens.
impl Grants {
    pub(crate) fn new(rules: GrantRules) -> Self {
        Self {
            rules,
            codes: Vec::new(),
            access: HashMap::new(),
            refresh: Vec::new(),
            minted_at: HashMap::new(),
            issued: 0,
        }
    }

    /// Adds a pair that does not expire.
    pub(crate) fn add_lasting(
        &mut self,
        user_id: &str,
        (access, refresh): (&str, &str),
        scopes: &Scopes,
    ) {
        self.add(user_id, (access, refresh), scopes, (None, None));
    }

    /// Issues a pair to a user.
    pub(crate) fn issue(
        &mut self,
        now: DateTime<Utc>,
        (team_id, user_id): (&str, &str),
        scopes: Scopes,
    ) -> TokenPair {
        self.issued += 1;
        let (form, nth) = (self.rules.form, self.issued);
        let access_ends = now + self.rules.access_life;
        let refresh_ends = self.rules.refresh_life.map(|life| now + life);
        let access = form.access_token((team_id, user_id), nth, access_ends);
        let refresh = form.digest(&format!("refresh {team_id} {user_id} {nth}"));
        let ends = (Some(access_ends), refresh_ends);
        self.add(user_id, (&access, &refresh), &scopes, ends);
        TokenPair {
            access,
            refresh,
            scopes: scopes.unwrap_or_default(),
            expires_in: self.rules.access_life.num_seconds(),
        }
    }

    fn add(
        &mut self,
        user_id: &str,
        (access, refresh): (&str, &str),
        scopes: &Scopes,
        (access_ends, refresh_ends): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    ) {
        let fresh = Access {
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: access_ends,
            revoked: false,
            replaces: None,
        };
        self.access.insert(access.to_owned(), fresh);
        self.refresh.push(Refresh {
            token: refresh.to_owned(),
            access: access.to_owned(),
            user_id: user_id.to_owned(),
            scopes: scopes.clone(),
            runs_out: refresh_ends,
            revoked: false,
        });
    }

    pub(crate) fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    pub(crate) fn knows_refresh(&self, token: &str) -> bool {
        self.refresh.iter().any(|known| known.token == token)
    }

    pub(crate) fn takes_refresh(&self, now: DateTime<Utc>, token: &str) -> bool {
        self.valid_refresh(now, token).is_some()
    }

    /// Issues a new pair for a refresh token. The old pair ends as the rules say.
    pub(crate) fn refresh(
        &mut self,
        now: DateTime<Utc>,
        team_id: &str,
        token: &str,
    ) -> Result<TokenPair, GrantError> {
        let old = self.valid_refresh(now, token).ok_or(GrantError::Invalid)?;
        let (user_id, scopes) = (old.user_id.clone(), old.scopes.clone());
        let old_access = old.access.clone();
        if self.is_too_soon(now, &user_id) {
            return Err(GrantError::TooSoon);
        }
        self.minted_at.insert(user_id.clone(), now);
        if self.rules.refresh_ends_old_access
            && let Some(access) = self.access.get_mut(&old_access)
        {
            access.revoked = true;
        }
        let pair = self.issue(now, (team_id, &user_id), scopes);
        match self.rules.old_refresh_token {
            OldRefreshToken::DeadAtOnce => self.end_refresh(token),
            OldRefreshToken::UntilAccessIsUsed => {
                if let Some(access) = self.access.get_mut(&pair.access) {
                    access.replaces = Some(token.to_owned());
                }
            }
            OldRefreshToken::StaysValid => {}
        }
        Ok(pair)
    }

    /// The refresh token, if it has neither ended nor been superseded by too many newer ones.
    fn valid_refresh(&self, now: DateTime<Utc>, token: &str) -> Option<&Refresh> {
        let at = self.refresh.iter().position(|known| known.token == token)?;
        let known = self.refresh.get(at)?;
        let newer = self.refresh.iter().skip(at + 1);
        let newer = newer.filter(|other| other.user_id == known.user_id).count();
        let superseded = self.rules.most_newer.is_some_and(|most| newer >= most);
        let ran_out = known.runs_out.is_some_and(|at| now >= at);
        (!known.revoked && !ran_out && !superseded).then_some(known)
    }

    fn is_too_soon(&self, now: DateTime<Utc>, user_id: &str) -> bool {
        let last = self.minted_at.get(user_id);
        let since = last.map(|last| now - *last);
        since.is_some_and(|since| self.rules.throttle.is_some_and(|least| since < least))
    }

    fn end_refresh(&mut self, token: &str) {
        let mut refresh = self.refresh.iter_mut();
        if let Some(old) = refresh.find(|known| known.token == token) {
            old.revoked = true;
        }
    }

    /// Notes that an access token was used, which can end the refresh token that it came from.
    pub(crate) fn note_use(&mut self, access: &str) {
        let access = self.access.get_mut(access);
        if let Some(token) = access.and_then(|access| access.replaces.take()) {
            self.end_refresh(&token);
        }
    }
}

/// The ends of tokens.
impl Grants {
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

impl TokenForm {
    /// The text of the `nth` access token.
    fn access_token(
        self,
        (team_id, user_id): (&str, &str),
        nth: u64,
        ends: DateTime<Utc>,
    ) -> String {
        if self == Self::Hex {
            return self.digest(&format!("access {team_id} {user_id} {nth}"));
        }
        let ends = ends.timestamp();
        let payload =
            format!(r#"{{"sub":"{user_id}","org":"{team_id}","jti":{nth},"exp":{ends}}}"#);
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS512"}"#),
            URL_SAFE_NO_PAD.encode(&payload),
            self.digest(&payload)
        )
    }

    fn digest(self, text: &str) -> String {
        let bytes = Sha256::digest(text.as_bytes());
        match self {
            Self::Jwt => URL_SAFE_NO_PAD.encode(bytes),
            Self::Hex => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                digits.collect()
            }
        }
    }
}
