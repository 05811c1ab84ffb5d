//! Checks the texts in a caller's JSON. They are checked while parsing, because a tree of a body
//! would take many times its size.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use syncline_model::breaks_lines;

use crate::error::{ApiError, ApiResult};

/// PostgreSQL's text has no NUL, so nothing that is stored or looked up may have one.
pub(crate) const NO_NUL: &str = "must not contain NUL";

/// The first text that can't be accepted: one with a NUL, or longer than `longest` bytes.
pub(crate) fn check_json(json: &[u8], longest: usize) -> ApiResult<()> {
    if json.len() <= longest && !may_have_nul(json) {
        return Ok(());
    }
    let mut scan = Scan {
        path: String::new(),
        longest,
        fault: Ok(()),
    };
    // Invalid JSON is reported by the parser that reads it afterwards.
    let _ = Here(&mut scan).deserialize(&mut serde_json::Deserializer::from_slice(json));
    scan.fault
}

/// Checks a name, or another text that is shown on one line.
pub(crate) fn check_name(field: &str, text: &str, most_chars: usize) -> ApiResult<()> {
    if text.chars().count() > most_chars {
        let reason = format!("must not be longer than {most_chars} characters");
        return Err(ApiError::validation(field, reason));
    }
    if text.chars().any(breaks_lines) {
        return Err(ApiError::validation(
            field,
            "must not contain control characters",
        ));
    }
    Ok(())
}

fn may_have_nul(json: &[u8]) -> bool {
    const ESCAPED: &[u8] = br"\u0000";
    json.windows(ESCAPED.len()).any(|part| part == ESCAPED)
}

struct Scan {
    /// The path of the current value.
    path: String,
    longest: usize,
    fault: ApiResult<()>,
}

impl Scan {
    fn check(&mut self, text: &str) -> Result<(), ()> {
        let reason = if text.contains('\0') {
            NO_NUL.to_owned()
        } else if text.len() > self.longest {
            format!("must not be longer than {} bytes", self.longest)
        } else {
            return Ok(());
        };
        self.fault = Err(ApiError::validation(std::mem::take(&mut self.path), reason));
        Err(())
    }

    /// Goes into a field; returns the length to truncate the path to afterwards.
    fn enter(&mut self, name: &str) -> usize {
        let outside = self.path.len();
        if outside > 0 {
            self.path.push('.');
        }
        self.path.extend(name.chars().filter(|it| *it != '\0'));
        outside
    }
}

/// The value at the scan's path.
struct Here<'s>(&'s mut Scan);

impl<'de> DeserializeSeed<'de> for Here<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Here<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.check(text).map_err(|()| E::custom("a fault"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let outside = self.0.path.len();
        for index in 0_usize.. {
            // Writing to a String can't fail.
            let _ = write!(self.0.path, "[{index}]");
            if items.next_element_seed(Here(self.0))?.is_none() {
                break;
            }
            self.0.path.truncate(outside);
        }
        self.0.path.truncate(outside);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(outside) = fields.next_key_seed(Name(self.0))? {
            fields.next_value_seed(Here(self.0))?;
            self.0.path.truncate(outside);
        }
        Ok(())
    }
}

/// The name of a field.
struct Name<'s>(&'s mut Scan);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let outside = self.0.enter(name);
        self.0.check(name).map_err(|()| E::custom("a fault"))?;
        Ok(outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str, longest: usize) -> Option<String> {
        match check_json(json.as_bytes(), longest) {
            Err(ApiError::Validation { field, .. }) => Some(field),
            other => {
                assert!(other.is_ok(), "{other:?}");
                None
            }
        }
    }

    #[test]
    fn the_first_wrong_text_is_named_by_its_path() {
        for (json, field) in [
            (r#"{"a":{"b":[1,"x",{"c":"\u0000"}]}}"#, Some("a.b[2].c")),
            (r#"{"a":[[],["\u0000"]]}"#, Some("a[1][0]")),
            (r#"{"a":{"b\u0000c":1}}"#, Some("a.bc")),
            (r#"{"a":"\\u0000","b":null,"c":-1.5e3,"d":true}"#, None),
            (r#"{"first":{"x":1},"a":"too long"}"#, Some("a")),
            (r#"{"a":["ok","too long"]}"#, Some("a[1]")),
            (r#"{"a":"\u0000"#, None),
        ] {
            assert_eq!(fault(json, 7).as_deref(), field, "{json}");
        }
    }

    #[test]
    fn a_deep_body_is_left_to_its_reader() {
        let deep = format!("{}\"\\u0000\"", "[".repeat(100_000));
        assert_eq!(fault(&deep, 7), None);
    }
}
