//! A hash of a JSON value's content, independent of its formatting: white space, escapes, the order
//! of keys and the notation of numbers don't matter, at any depth.
//!
//! One pass over the text, without building a tree and without recursion, so that deep nesting
//! can't overflow the stack.

use std::borrow::Cow;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The result of a pass over a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash {
    pub sum: u64,
    /// How deeply its lists and objects are nested; 0 for a scalar.
    pub levels: usize,
}

// Seeds, so that values of different kinds never have the same sum because they look alike.
const TEXT: u64 = 1;
const NUMBER: u64 = 2;
const WORD: u64 = 3;
const LIST: u64 = 4;
const OBJECT: u64 = 5;

/// A list or object that is not closed yet.
struct Open {
    kind: u64,
    sum: u64,
    /// For an object: the key whose value comes next.
    key: Option<u64>,
}

impl Open {
    fn new(kind: u64) -> Self {
        Self {
            kind,
            sum: 0,
            key: None,
        }
    }

    fn add(&mut self, value: u64) {
        match self.key.take() {
            // Pairs are added up, so that their order doesn't matter.
            Some(key) => self.sum = self.sum.wrapping_add(mix(key, value)),
            None => self.sum = mix(self.sum, value),
        }
    }

    fn close(self) -> u64 {
        mix(self.kind, self.sum)
    }

    fn awaits_key(&self) -> bool {
        self.kind == OBJECT && self.key.is_none()
    }
}

/// The sum of a value that is known to be valid JSON; for other text the result is arbitrary.
pub fn sum(json: &str) -> ContentHash {
    let bytes = json.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut levels = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let value = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => continue,
            b'{' | b'[' => {
                open.push(Open::new(if byte == b'{' { OBJECT } else { LIST }));
                levels = levels.max(open.len());
                continue;
            }
            b'}' | b']' => match open.pop() {
                Some(closed) => closed.close(),
                None => continue,
            },
            b'"' => {
                let (end, has_escapes) = text_end(bytes, at);
                at = end + 1;
                let text = text(&bytes[start + 1..end.min(bytes.len())], has_escapes);
                match open.last_mut() {
                    Some(object) if object.awaits_key() => {
                        object.key = Some(xxh3_64(&text));
                        continue;
                    }
                    _ => xxh3_64_with_seed(&text, TEXT),
                }
            }
            _ => {
                at += word_length(&bytes[at..]);
                let word = &bytes[start..at];
                match byte {
                    b'-' | b'0'..=b'9' => number(word),
                    _ => xxh3_64_with_seed(word, WORD),
                }
            }
        };
        match open.last_mut() {
            Some(outer) => outer.add(value),
            None => return ContentHash { sum: value, levels },
        }
    }
    ContentHash { sum: 0, levels }
}

/// The sum of one pair, as part of its object's sum.
pub fn sum_of_pair(key: &str, value: u64) -> u64 {
    mix(xxh3_64(key.as_bytes()), value)
}

fn mix(one: u64, other: u64) -> u64 {
    xxh3_64_with_seed(&other.to_le_bytes(), one)
}

/// The length of the rest of a number or literal.
fn word_length(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| {
        matches!(
            byte,
            b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t'
        )
    };
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// The position of the quote that ends a string, and whether there are escapes before it.
fn text_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut at = start;
    let mut has_escapes = false;
    while let Some(found) = bytes.get(at..).and_then(quote_or_escape) {
        at += found;
        if bytes[at] == b'"' {
            return (at, has_escapes);
        }
        has_escapes = true;
        at += 2;
    }
    (bytes.len().max(start), has_escapes)
}

/// Most strings are short, and a byte-by-byte search is faster for those.
fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 24;
    let (short, rest) = bytes.split_at(bytes.len().min(SHORT));
    let found = short.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    found.or_else(|| Some(short.len() + memchr::memchr2(b'"', b'\\', rest)?))
}

/// The decoded content of a string, given without its quotes.
fn text(raw: &[u8], has_escapes: bool) -> Cow<'_, [u8]> {
    if !has_escapes {
        return Cow::Borrowed(raw);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(raw),
    }
}

/// Hashes a number by its exact value: its sign, its digits without leading and trailing zeros, and
/// the position of the last digit.
fn number(word: &[u8]) -> u64 {
    let unsigned = word.strip_prefix(b"-").unwrap_or(word);
    let is_negative = unsigned.len() < word.len();
    if unsigned.iter().all(u8::is_ascii_digit) {
        return decimal(is_negative, unsigned, 0);
    }
    // A number with an exponent that is too large is hashed as it is written.
    in_digits(unsigned).map_or_else(
        || xxh3_64_with_seed(word, NUMBER),
        |(digits, place)| decimal(is_negative, &digits, place),
    )
}

/// The digits of a number, and the position of the last one.
fn in_digits(unsigned: &[u8]) -> Option<(Vec<u8>, i64)> {
    let text = std::str::from_utf8(unsigned).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let place = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(i64::try_from(fraction.len()).ok()?)?;
    Some(([whole, fraction].concat().into_bytes(), place))
}

fn decimal(is_negative: bool, digits: &[u8], place: i64) -> u64 {
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[leading..];
    let trailing = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let significant = &digits[..digits.len() - trailing];
    if significant.is_empty() {
        return xxh3_64_with_seed(b"0", NUMBER);
    }
    let place = place.wrapping_add(i64::try_from(trailing).unwrap_or(i64::MAX));
    let sum = xxh3_64_with_seed(significant, NUMBER);
    mix(sum ^ u64::from(is_negative), place.cast_unsigned())
}

#[cfg(test)]
#[path = "canonical_tests.rs"]
mod tests;
