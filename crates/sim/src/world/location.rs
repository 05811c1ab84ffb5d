//! A contact's location: how an address in one line is parsed.

use std::borrow::Cow;

type Text = Cow<'static, str>;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Location {
    pub(crate) street: Option<Text>,
    pub(crate) city: Option<Text>,
    pub(crate) state: Option<Text>,
    pub(crate) postal_code: Option<Text>,
    pub(crate) country: Option<Text>,
    pub(crate) time_zone: Option<&'static str>,
}

impl Location {
    /// One of the locations in the generated data.
    pub(super) fn known([city, state, country, time_zone, postal_code]: [&'static str; 5]) -> Self {
        let part = |text: &'static str| Some(Text::Borrowed(text));
        Self {
            street: None,
            city: part(city),
            state: part(state),
            postal_code: part(postal_code),
            country: part(country),
            time_zone: Some(time_zone),
        }
    }

    /// Parses `street, city, state, postal code, country`. If parts are missing, a part with a
    /// digit is the street if it is the first and otherwise the postal code.
    pub(super) fn read(line: &str) -> Self {
        let parts = line.split(',').map(str::trim);
        let mut parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let text = |part: &str| Some(Text::Owned(part.to_owned()));
        if let [street @ .., city, state, postal_code, country] = parts.as_slice()
            && !street.is_empty()
        {
            return Self {
                street: text(&street.join(", ")),
                city: text(city),
                state: text(state),
                postal_code: text(postal_code),
                country: text(country),
                time_zone: None,
            };
        }
        let numbered = |part: &&str| part.chars().any(|c| c.is_ascii_digit());
        let code = parts.iter().skip(1).position(numbered);
        let postal_code = code.map(|at| parts.remove(at + 1));
        let has_street = parts.len() > 3 || parts.first().is_some_and(numbered);
        let street = has_street.then(|| parts.remove(0));
        let mut parts = parts.into_iter();
        Self {
            street: street.and_then(text),
            city: parts.next().and_then(text),
            state: parts.next().and_then(text),
            postal_code: postal_code.and_then(text),
            country: parts.next().and_then(text),
            time_zone: None,
        }
    }

    /// The location without the street, as one line; `None` if nothing is known.
    pub(crate) fn formatted(&self) -> Option<String> {
        let parts = [&self.city, &self.state, &self.country, &self.postal_code];
        let parts: Vec<&str> = parts.into_iter().flatten().map(Text::as_ref).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
