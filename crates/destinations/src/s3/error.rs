//! What can go wrong at a bucket, in a line that a person can act on.

use std::{error::Error, fmt::Display};

use object_store::client::{HttpError, HttpErrorKind};
use syncline_outgoing::NoPublicAddress;

use super::{InvalidConfig, http::Refused};

/// The longest text of the server that is repeated.
const LONGEST_TEXT: usize = 300;

#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// Nothing is lost: whoever reads the newest manifest can go on from there.
    #[error("another process has written this connection's files in the meantime")]
    Overtaken,
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error("the bucket does not exist, or not in this region or at this endpoint")]
    NoBucket,
    #[error("access denied: the key needs {needed}; the server says: {said}")]
    AccessDenied { needed: &'static str, said: String },
    #[error("the server does not know the access key id")]
    UnknownKey,
    #[error("the secret access key does not belong to the access key id")]
    WrongSecret,
    #[error("the clocks of this machine and of the server differ by more than 15 minutes")]
    Clock,
    #[error("the bucket is in another region{}", expected.as_ref().map(|it| format!(": {it}")).unwrap_or_default())]
    WrongRegion { expected: Option<String> },
    #[error("{0} has no address on the public internet, and private ones are not allowed")]
    PrivateAddress(String),
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    #[error(
        "the server ignores If-None-Match: * on PUT, without which two writers would overwrite \
         each other; use one that supports conditional writes"
    )]
    NoConditionalWrites,
    #[error("{path} can't be read: {problem}")]
    Damaged { path: String, problem: String },
    /// Rows that don't fit their columns.
    #[error("rows of {object} can't be written: {problem}")]
    Rows { object: String, problem: String },
    #[error("{0}")]
    Other(String),
}

impl S3Error {
    pub(super) fn damaged(path: &str, problem: impl Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

const NEEDED: &str = "s3:ListBucket on the bucket and s3:GetObject, s3:PutObject and \
                      s3:DeleteObject on what is under the prefix";

impl From<object_store::Error> for S3Error {
    fn from(error: object_store::Error) -> Self {
        if let Some(refused) = cause::<Refused>(&error) {
            return of_answer(refused);
        }
        if let Some(NoPublicAddress { host }) = cause::<NoPublicAddress>(&error) {
            return Self::PrivateAddress(host.clone());
        }
        if let Some(failed) = cause::<HttpError>(&error) {
            return Self::Unreachable(match failed.kind() {
                HttpErrorKind::Timeout => "it did not answer in time".to_owned(),
                _ => in_one_line(&innermost(failed).to_string()),
            });
        }
        Self::Other(in_one_line(&innermost(&error).to_string()))
    }
}

fn of_answer(answer: &Refused) -> S3Error {
    match (answer.status, answer.code.as_str()) {
        (_, "NoSuchBucket") => S3Error::NoBucket,
        (_, "InvalidAccessKeyId") => S3Error::UnknownKey,
        (_, "SignatureDoesNotMatch") => S3Error::WrongSecret,
        (_, "RequestTimeTooSkewed") => S3Error::Clock,
        (300..=399, _)
        | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            S3Error::WrongRegion {
                expected: answer.region.clone(),
            }
        }
        (401 | 403, _) => S3Error::AccessDenied {
            needed: NEEDED,
            said: in_one_line(&format!("{} {}", answer.code, answer.message)),
        },
        _ => S3Error::Other(in_one_line(&answer.to_string())),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (*error).source()
    })
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

fn in_one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        let answer = Refused::of(status, None, body);
        of_answer(&answer).to_string()
    }

    #[test]
    fn what_the_server_refuses_is_told_in_a_line_to_act_on() {
        let error = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        assert!(said(404, &error("NoSuchBucket")).contains("bucket does not exist"));
        assert!(said(403, &error("InvalidAccessKeyId")).contains("access key id"));
        assert!(said(403, &error("SignatureDoesNotMatch")).contains("secret access key"));
        assert!(said(403, &error("RequestTimeTooSkewed")).contains("clocks"));
        assert!(said(403, &error("AccessDenied")).contains("s3:PutObject"));
        assert!(said(301, "").contains("another region"));
        let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message>\
                      <Region>eu-west-3</Region></Error>";
        assert_eq!(
            said(400, region),
            "the bucket is in another region: eu-west-3"
        );
    }

    #[test]
    fn a_long_answer_of_many_lines_becomes_one_short_line() {
        let said = said(400, &"a\nb ".repeat(1000));
        assert!(said.len() <= LONGEST_TEXT && !said.contains('\n'), "{said}");
    }
}
