//! Where customers are sent when they have authorized: checked before, and told about failures.

use syncline_providers::http::Url;

/// An origin in the form in which origins are compared, or why it is none.
pub fn checked_origin(text: &str) -> Result<String, String> {
    let invalid = || {
        format!("'{text}' is not an origin: write it as https://app.example.com, without a path")
    };
    let url = Url::parse(text.trim()).map_err(|_| invalid())?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_origin
        .then(|| url.origin().ascii_serialization())
        .ok_or_else(invalid)
}

/// Whether customers may be sent to this URL.
pub(super) fn is_allowed(url: &str, origins: &[String]) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let origin = url.origin().ascii_serialization();
    matches!(url.scheme(), "http" | "https") && origins.contains(&origin)
}

/// The URL with what went wrong added to its query. Everything else stays as it was given.
pub(super) fn with_error(url: &str, error: &str, description: &str) -> String {
    let pairs = [("error", error), ("error_description", description)];
    let added = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let (before, fragment) = match url.split_once('#') {
        Some((before, fragment)) => (before, Some(fragment)),
        None => (url, None),
    };
    let separator = match before.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
    format!("{before}{separator}{added}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path_and_no_credentials() {
        assert_eq!(
            checked_origin("HTTPS://App.Example:443/").unwrap(),
            "https://app.example"
        );
        for wrong in [
            "",
            "app.example",
            "ftp://app.example",
            "https://app.example/path",
            "https://app.example?x",
            "https://user@app.example",
        ] {
            assert!(checked_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_urls_of_these_origins_are_allowed() {
        let origins = [checked_origin("https://app.example").unwrap()];
        assert!(is_allowed("https://app.example/done?x=1#y", &origins));
        assert!(is_allowed("https://app.example:443/", &origins));
        for other in [
            "http://app.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://app.example:8443/",
            "javascript:alert(1)",
            "//app.example/",
            "",
        ] {
            assert!(!is_allowed(other, &origins), "{other}");
        }
    }

    #[test]
    fn what_went_wrong_is_added_to_the_query() {
        for (url, expected) in [
            (
                "https://a.example/",
                "https://a.example/?error=e&error_description=a+b",
            ),
            (
                "https://a.example/?x=1#y",
                "https://a.example/?x=1&error=e&error_description=a+b#y",
            ),
            (
                "https://a.example/?",
                "https://a.example/?error=e&error_description=a+b",
            ),
        ] {
            assert_eq!(with_error(url, "e", "a b"), expected);
        }
    }
}
