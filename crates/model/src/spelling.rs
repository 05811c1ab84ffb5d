//! Different spellings with the same meaning: of domains and of e-mail addresses.

use std::borrow::Cow;

/// The bare host in lower case: without scheme, `www.`, port, path or trailing dot. Text without a
/// host is returned as it is, with white space trimmed.
pub fn bare_host(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    let host = host_of(trimmed);
    if host.is_empty() {
        return Cow::Borrowed(trimmed);
    }
    if host.chars().any(char::is_uppercase) {
        return Cow::Owned(without_www(&host.to_lowercase()).to_owned());
    }
    Cow::Borrowed(without_www(host))
}

/// Compares addresses without regard to case and surrounding white space.
pub fn is_same_email(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    one.eq_ignore_ascii_case(other) || one.to_lowercase() == other.to_lowercase()
}

fn host_of(text: &str) -> &str {
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest,
        None => text.strip_prefix("//").unwrap_or(text),
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    host.trim().trim_end_matches('.')
}

fn without_www(host: &str) -> &str {
    match host.strip_prefix("www.") {
        Some(rest) if rest.contains('.') => rest,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_domain_are_its_bare_host() {
        for text in [
            "example.com",
            " EXAMPLE.com. ",
            "www.example.com",
            "WWW.Example.COM",
            "http://example.com",
            "https://www.example.com/",
            "HTTPS://Example.com:443/about?x=1#y",
            "example.com/about",
            "example.com:8080",
            "//example.com",
            "https://user:secret@example.com/",
        ] {
            assert_eq!(bare_host(text), "example.com", "{text}");
        }
    }

    #[test]
    fn what_is_another_domain_stays_one() {
        for (text, host) in [
            ("mail.example.com", "mail.example.com"),
            ("www.com", "www.com"),
            ("wwwexample.com", "wwwexample.com"),
            ("BÜCHER.example", "bücher.example"),
            ("localhost", "localhost"),
            ("  ", ""),
            ("https://", "https://"),
        ] {
            assert_eq!(bare_host(text), host, "{text}");
        }
    }

    #[test]
    fn addresses_are_the_same_whatever_their_case() {
        assert!(is_same_email(" Lin@Example.com ", "lin@example.COM"));
        assert!(is_same_email("ÄRA@example.com", "ära@example.com"));
        assert!(!is_same_email("lin@example.com", "lin@example.org"));
    }
}
