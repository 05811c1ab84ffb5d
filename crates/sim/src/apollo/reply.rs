//! An outcome as an HTTP answer, with Apollo's headers.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::refusal::{Answer, JSON, Refusal};
use crate::request::{SimReply, date};

/// The answer to a request; `salt` makes its ids unique.
pub(super) fn reply(
    outcome: Result<Answer, Refusal>,
    limits: Vec<(String, String)>,
    now: DateTime<Utc>,
    salt: u64,
) -> SimReply {
    let (status, content_type, body) = match outcome {
        Ok(answer) => (200, JSON.to_owned(), answer.body),
        Err(refusal) => (
            refusal.status,
            refusal.content_type.to_owned(),
            Bytes::from(refusal.body),
        ),
    };
    let mixed = mix(salt);
    let header = |name: &str, value: String| (name.to_owned(), value);
    let mut headers = vec![date(now), header("content-type", content_type)];
    if status == 200 {
        headers.push(header(
            "cache-control",
            "max-age=0, private, must-revalidate".to_owned(),
        ));
        headers.push(header(
            "etag",
            format!("W/\"{mixed:016x}{:016x}\"", mix(mixed)),
        ));
        headers.push(header(
            "x-transaction-id",
            uuid(mix(mixed ^ 1), mix(mixed ^ 2)),
        ));
    } else {
        headers.push(header("cache-control", "no-cache".to_owned()));
    }
    headers.extend(limits);
    headers.push(header("x-request-id", uuid(mixed, mix(mixed ^ 3))));
    headers.push(header(
        "x-runtime",
        format!("0.{:06}", 20_000 + mixed % 90_000),
    ));
    headers.push(header("vary", "Origin".to_owned()));
    headers.push(header("server", "cloudflare".to_owned()));
    headers.push(header("cf-cache-status", "DYNAMIC".to_owned()));
    headers.push(header("cf-ray", format!("{:016x}-AMS", mix(mixed ^ 4))));
    SimReply {
        status,
        headers,
        body,
        wire: None,
    }
}

/// Splitmix64: spreads a counter over all bits.
pub(super) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
