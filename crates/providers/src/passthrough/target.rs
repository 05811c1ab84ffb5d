//! Protection against SSRF: joins a caller's path to the provider's base URL, and refuses paths that
//! could lead elsewhere.
//!
//! The path may come from an untrusted source, and the request carries a credential. So everything
//! that could be read as another host, another place on this host, or a second header is refused
//! with a reason, even if it would be harmless here, because servers behind it may parse it
//! differently. The rest is joined, parsed, and compared with the base.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use syncline_model::access::plain;
use url::{Url, form_urlencoded};

/// The characters that are escaped in a path. Existing escapes are kept; they are checked
/// separately.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/')
    .remove(b'%');

/// The maximum length of a URL. Servers don't accept longer ones.
const LONGEST_URL: usize = 16 * 1024;

/// A URL at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub url: Url,
    /// Below the base, without a leading slash.
    pub path: String,
}

impl Target {
    /// The path for comparison with rules: escapes decoded once, and normalized by [`plain`].
    pub fn normalized_path(&self) -> String {
        plain(&percent_decode_str(&self.path).decode_utf8_lossy())
    }
}

/// `path` below `base`. It may have its own query, which is kept unchanged; `query` is added to it.
pub(super) fn join<'q>(
    base: &Url,
    path: &str,
    query: impl IntoIterator<Item = (&'q str, &'q str)>,
) -> Result<Target, String> {
    let (path, own_query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let path = path.strip_prefix('/').unwrap_or(path);
    check_text(path)?;
    check_segments(path)?;
    let path = utf8_percent_encode(path, ESCAPED).to_string();
    let whole = format!("{}/{path}", base.path().trim_end_matches('/'));
    let mut url = base.clone();
    url.set_path(&whole);
    if let Some(own) = own_query.filter(|own| !own.is_empty()) {
        check_text(own)?;
        url.set_query(Some(own));
    }
    let mut query = query.into_iter().peekable();
    if query.peek().is_some() {
        let mut added = form_urlencoded::Serializer::new(String::new());
        let added = added.extend_pairs(query).finish();
        let all = match url.query() {
            Some(own) => format!("{own}&{added}"),
            None => added,
        };
        url.set_query(Some(&all));
    }
    if url.path() != whole || !has_origin_of(&url, base) {
        return Err("it leads to another address than the provider's".to_owned());
    }
    if url.as_str().len() > LONGEST_URL {
        let reason = format!("with its query it makes a URL of more than {LONGEST_URL} bytes");
        return Err(reason);
    }
    Ok(Target { url, path })
}

fn has_origin_of(url: &Url, base: &Url) -> bool {
    url.scheme() == base.scheme()
        && url.host() == base.host()
        && url.port_or_known_default() == base.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

fn check_text(text: &str) -> Result<(), String> {
    for character in text.chars() {
        match character {
            '\\' => return refused("it must not contain a backslash"),
            '#' => return refused("it must not contain #; write %23 where it is meant"),
            other if other.is_control() => {
                return refused("it must not contain control characters");
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_segments(path: &str) -> Result<(), String> {
    if path.starts_with('/') || path.contains("//") {
        return refused("it must be a path without empty segments, not an address");
    }
    let first = path.split('/').next().unwrap_or_default();
    if first.contains('@') || has_scheme(first) {
        return refused("it must be a path, not an address");
    }
    for segment in path.split('/') {
        // Some servers remove a segment's parameters before they resolve it.
        let name = segment.split(';').next().unwrap_or_default();
        if matches!(name, "." | "..") {
            return refused("it must not contain the segments . and ..");
        }
    }
    check_escapes(path)
}

/// Whether a segment begins with `https:` or any other scheme.
fn has_scheme(segment: &str) -> bool {
    let Some((scheme, _)) = segment.split_once(':') else {
        return false;
    };
    let is_of_scheme = |it: char| it.is_ascii_alphanumeric() || "+-.".contains(it);
    scheme.starts_with(|it: char| it.is_ascii_alphabetic()) && scheme.chars().all(is_of_scheme)
}

/// Refuses encoded forms of refused characters, since servers differ in when they decode.
fn check_escapes(path: &str) -> Result<(), String> {
    let mut rest = path;
    while let Some((_, escape)) = rest.split_once('%') {
        let byte = escape.get(..2).and_then(byte_of);
        match byte {
            Some(b'.' | b'/' | b'\\') => {
                return refused("it must not contain an encoded dot, slash or backslash");
            }
            Some(..0x20 | 0x7f) => return refused("it must not contain control characters"),
            Some(_) => {}
            None => return refused("a % in it must be followed by two hexadecimal digits"),
        }
        rest = escape;
    }
    Ok(())
}

fn byte_of(digits: &str) -> Option<u8> {
    // `from_str_radix` would accept a sign too.
    let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

fn refused(reason: &str) -> Result<(), String> {
    Err(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(url: &str) -> Url {
        Url::parse(url).unwrap()
    }

    fn joined(path: &str) -> Result<String, String> {
        join(&base("https://api.apollo.io"), path, []).map(|target| target.url.to_string())
    }

    #[test]
    fn a_path_goes_below_the_base() {
        for (path, url) in [
            ("api/v1/contacts", "https://api.apollo.io/api/v1/contacts"),
            ("/api/v1/contacts", "https://api.apollo.io/api/v1/contacts"),
            ("", "https://api.apollo.io/"),
            ("a/b@c.example", "https://api.apollo.io/a/b@c.example"),
            (
                "grüße/日本",
                "https://api.apollo.io/gr%C3%BC%C3%9Fe/%E6%97%A5%E6%9C%AC",
            ),
            (
                "a b\"<>`{}|^[]",
                "https://api.apollo.io/a%20b%22%3C%3E%60%7B%7D%7C%5E%5B%5D",
            ),
            ("a%20b%C3%BC", "https://api.apollo.io/a%20b%C3%BC"),
            ("a/", "https://api.apollo.io/a/"),
            (
                "a...b/.hidden/v1:run",
                "https://api.apollo.io/a...b/.hidden/v1:run",
            ),
            (
                "a?q=%2e%2e/../x@y&z=1%2F2",
                "https://api.apollo.io/a?q=%2e%2e/../x@y&z=1%2F2",
            ),
            (
                "a?q=https://other.example/",
                "https://api.apollo.io/a?q=https://other.example/",
            ),
            (".other.example/a", "https://api.apollo.io/.other.example/a"),
        ] {
            assert_eq!(joined(path).as_deref(), Ok(url), "{path}");
        }
        let below = join(&base("http://gate.example:8080/apollo/"), "/api/v1/x", []).unwrap();
        assert_eq!(
            below.url.as_str(),
            "http://gate.example:8080/apollo/api/v1/x"
        );
        assert_eq!(below.path, "api/v1/x");
    }

    #[test]
    fn parameters_are_added_to_the_paths_own() {
        let base = base("https://api.apollo.io");
        let target = join(&base, "a?b=%41+1", [("c", "1&2"), ("d", "ü\r\n")]).unwrap();
        assert_eq!(
            target.url.as_str(),
            "https://api.apollo.io/a?b=%41+1&c=1%262&d=%C3%BC%0D%0A"
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for path in [
            "https://evil.example/a",
            "http:evil.example",
            "HTTPS:/evil.example",
            "javascript:x",
            "//evil.example/a",
            "///evil.example",
            "/a//b",
            "a//",
            "\\\\evil.example",
            "/\\evil.example",
            "a\\..\\b",
            "@evil.example/a",
            "/@evil.example",
            "user:pass@evil.example/a",
            ":80@evil.example",
            "a\r\nX-Header: 1",
            "a\nb",
            "a\tb",
            "a\0b",
            "\u{7f}",
            "a\u{85}b",
            " \r",
            "%2e%2e/a",
            "a/%2E./b",
            "%2e",
            "a%2fb",
            "a%2Fb",
            "a%5cb",
            "%5C%5Cevil.example",
            "..",
            "../a",
            "a/..",
            "a/../b",
            ".",
            "./a",
            "a/./b",
            "a/..;/b",
            "a#b",
            "#",
            "a?b#c",
            "a?b\r\nc",
            "a?b\\c",
            "a%0d%0aX: 1",
            "a%00",
            "a%7f",
            "a%",
            "a%2",
            "a%zz",
            "a%+1",
            "a%ü",
        ] {
            assert!(joined(path).is_err(), "{path:?} led to {:?}", joined(path));
        }
    }

    #[test]
    fn however_it_is_written_it_is_read_as_one_path() {
        for path in [
            "v1/people/match",
            "/v1/people/match/",
            "api/v1/people/%6Datch",
            "API/v1/People/%4d%41TCH.json",
            "v1/people/match%2Ejson",
        ] {
            match join(&base("https://api.apollo.io"), path, []) {
                Ok(target) => assert_eq!(target.normalized_path(), "v1/people/match", "{path}"),
                // An encoded dot is refused.
                Err(_) => assert!(path.contains("%2E"), "{path}"),
            }
        }
    }

    #[test]
    fn an_endless_address_is_refused() {
        assert!(joined(&"a".repeat(LONGEST_URL)).is_err());
        assert!(joined(&"a".repeat(LONGEST_URL - 100)).is_ok());
        assert!(joined(&format!("a?b={}", "ü".repeat(LONGEST_URL / 4))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_text_the_origin_is_the_bases(
            path in prop_oneof![
                any::<String>(),
                "[./\\\\%@:?#a-f0-9;\r\n\t ]{0,24}",
                "(https?:)?[/\\\\]{0,3}([a-z:@]{0,6})(evil\\.example)?(:[0-9]{1,3})?[/?#]?.{0,8}",
            ],
            query in proptest::collection::vec((any::<String>(), any::<String>()), 0..3),
            base in prop_oneof![
                Just("https://api.apollo.io"),
                Just("http://127.0.0.1:4010"),
                Just("http://[::1]:80/below/"),
            ],
        ) {
            let base = Url::parse(base).unwrap();
            let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            if let Ok(target) = join(&base, &path, pairs) {
                let url = Url::parse(target.url.as_str()).unwrap();
                prop_assert_eq!(&url, &target.url, "it reads the same after writing");
                prop_assert_eq!(url.origin(), base.origin());
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert!(url.fragment().is_none());
                let below = base.path().trim_end_matches('/');
                prop_assert_eq!(url.path(), format!("{below}/{}", target.path));
                prop_assert!(!url.path().split('/').any(|it| it == ".." || it == "."));
                prop_assert!(url.as_str().bytes().all(|it| it.is_ascii_graphic()));
            }
        }
    }
}
