//! Methods on paths, and whether a request matches them.
//!
//! In a rule `*` matches one segment, and `**` at the end matches all remaining ones, even none. A
//! provider's path can be spelled in several ways, so rules and requests are both normalized
//! ([`plain`]) before they are compared. This service's own paths have only one spelling.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const LONGEST_PATH: usize = 512;
const ANY_METHOD: &str = "*";
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const ONE: &str = "*";
const REST: &str = "**";

/// Methods on paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = api_key_rule)]
pub struct Rule {
    /// `GET`, `POST`, …, or `*` for any. `GET` includes `HEAD`.
    #[schema(min_items = 1, example = json!(["POST"]))]
    pub methods: Vec<String>,
    /// `*` stands for one segment, `**` at the end for any number of segments.
    #[schema(max_length = 512, example = "/v1/contacts/**")]
    pub path: String,
}

/// Why a rule is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidRule {
    /// The path of the field within the policy.
    pub field: String,
    pub reason: String,
}

impl Rule {
    pub(super) fn anything() -> Self {
        Self {
            methods: vec![ANY_METHOD.to_owned()],
            path: "/**".to_owned(),
        }
    }

    pub(super) fn check(&self, field: &str) -> Result<(), InvalidRule> {
        let invalid = |part: &str, reason: String| {
            Err(InvalidRule {
                field: format!("{field}.{part}"),
                reason,
            })
        };
        if self.methods.is_empty() {
            return invalid("methods", "must name a method, or * for any".to_owned());
        }
        let known = |method: &&String| METHODS.contains(&method.as_str()) || *method == ANY_METHOD;
        if let Some(other) = self.methods.iter().find(|method| !known(method)) {
            let all = METHODS.join(", ");
            return invalid(
                "methods",
                format!("'{other}' is none of {all}, or * for any"),
            );
        }
        match wrong_in(&self.path) {
            Some(reason) => invalid("path", reason.to_owned()),
            None => Ok(()),
        }
    }

    /// With its path normalized by [`plain`].
    pub(super) fn in_plain(&self) -> Self {
        Self {
            methods: self.methods.clone(),
            path: plain(&self.path),
        }
    }

    pub(super) fn allows(&self, method: &str, path: &[&str]) -> bool {
        self.takes(method) && fits(&self.segments(), path)
    }

    /// Whether it allows everything that the other one allows.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let any = |rule: &Self| rule.methods.iter().any(|method| method == ANY_METHOD);
        let methods = any(self) || (!any(other) && other.methods.iter().all(|it| self.takes(it)));
        // The other rule's pattern is matched like a path: its `*` counts as an ordinary segment,
        // and its `**` matches only `**`.
        methods && fits(&self.segments(), &other.segments())
    }

    fn takes(&self, method: &str) -> bool {
        self.methods.iter().any(|own| {
            own == ANY_METHOD
                || own.eq_ignore_ascii_case(method)
                || (own == "GET" && method.eq_ignore_ascii_case("HEAD"))
        })
    }

    fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches('/').split('/').collect()
    }
}

/// `POST,PATCH /v1/contacts/*`, as it is written on a command line.
impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let Some((methods, path)) = text.trim().split_once(char::is_whitespace) else {
            return Err(InvalidRule {
                field: text.to_owned(),
                reason: "write a method and a path: POST /v1/contacts/*".to_owned(),
            });
        };
        let methods = methods.split(',').map(str::to_ascii_uppercase);
        let rule = Self {
            methods: methods.collect(),
            path: path.trim().to_owned(),
        };
        rule.check(text)?;
        Ok(rule)
    }
}

/// Normalizes a provider's path for comparison: lower case, without leading and trailing slashes,
/// without `api` before a version, and without `.json`. The path is already decoded.
pub fn plain(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    let path = path.trim_matches('/');
    let path = match path.strip_prefix("api/") {
        Some(rest) if begins_with_version(rest) => rest,
        _ => path,
    };
    path.strip_suffix(".json").unwrap_or(path).to_owned()
}

fn begins_with_version(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let number = first.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong_in(path: &str) -> Option<&'static str> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some("must begin with a slash");
    };
    if path.len() > LONGEST_PATH {
        return Some("must not be longer than 512 bytes");
    }
    if path.contains(['%', '?', '#', ';', '\\']) || path.chars().any(char::is_control) {
        return Some("must be a plain path: without escapes, a query, and any of ; # \\");
    }
    let segments: Vec<&str> = rest.split('/').collect();
    for (number, segment) in segments.iter().enumerate() {
        match *segment {
            REST if number + 1 < segments.len() => return Some("may have ** at its end only"),
            ONE | REST => {}
            "" | "." | ".." => return Some("must not have the segments . and .., nor empty ones"),
            part if part.contains('*') => return Some("may have * as a whole segment only"),
            _ => {}
        }
    }
    None
}

/// Whether a path matches a pattern.
fn fits(pattern: &[&str], path: &[&str]) -> bool {
    match pattern {
        [REST] => true,
        [ONE, pattern @ ..] => match path {
            // `**` stands for many segments or none, so `*` does not match it.
            [REST, ..] | [] => false,
            [first, path @ ..] => !first.is_empty() && fits(pattern, path),
        },
        [own, pattern @ ..] => match path {
            [first, path @ ..] => own == first && fits(pattern, path),
            [] => false,
        },
        [] => path.is_empty(),
    }
}
