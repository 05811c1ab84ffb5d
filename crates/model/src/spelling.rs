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

/// RFC 5321: a path of 256 bytes, less its two brackets.
const LONGEST_EMAIL: usize = 254;

/// RFC 1035: a name of 255 bytes, less the length of its first label and the root's.
const LONGEST_DOMAIN: usize = 253;

/// Whether the text can be an e-mail address at all. Only a mail server knows whether it exists.
pub fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return false;
    };
    text.len() <= LONGEST_EMAIL
        && !name.is_empty()
        && !name.contains(|it: char| it == '@' || it.is_whitespace() || it.is_control())
        && is_domain(domain)
}

/// Whether the text can be a domain with a dot.
pub fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|it| it.is_alphanumeric() || it == '-')
    };
    text.len() <= LONGEST_DOMAIN && text.contains('.') && text.split('.').all(is_label)
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
    fn what_can_be_no_address_is_told_from_what_can() {
        for good in ["a@b.example", "a.b+c'd@x-y.co.uk", "ü@müller.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a b@c.example",
            "a@b@c.example",
            "a@b c.example",
            "a@b.example\r\nx",
            "<a@b.example>",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(300))));
        assert!(!is_domain(&format!("{}.example", "a".repeat(300))));
    }

    #[test]
    fn addresses_are_the_same_whatever_their_case() {
        assert!(is_same_email(" Lin@Example.com ", "lin@example.COM"));
        assert!(is_same_email("ÄRA@example.com", "ära@example.com"));
        assert!(!is_same_email("lin@example.com", "lin@example.org"));
    }
}
