//! Which of Apollo's calls cost the customer's credits.
//!
//! From Apollo's page on its API pricing. If one call of a controller costs credits, all its calls
//! count as if they did: it is better to refuse a new call, or another spelling, than to pay for
//! it.

/// The first segment of the path after the version.
const CONTROLLERS: &[&str] = &[
    // match, bulk_match, details of one
    "people",
    // enrich, bulk_enrich, details and job postings of one
    "organizations",
    "mixed_companies",
    "news_articles",
];

/// Single actions of controllers whose other calls are free.
const ACTIONS: &[[&str; 2]] = &[["mixed_people", "search"]];

/// Whether a call may cost credits, with any method. `path` is decoded and lower case.
pub(crate) fn may_cost(path: &str) -> bool {
    let mut segments = path.split('/').map(bare).filter(|part| !part.is_empty());
    let mut next = segments.next().unwrap_or_default();
    while next == "api" || is_version(next) {
        next = segments.next().unwrap_or_default();
    }
    let action = segments.next().unwrap_or_default();
    CONTROLLERS.contains(&next) || ACTIONS.contains(&[next, action])
}

/// Removes a format (`match.json`) and parameters (`match;a=b`).
fn bare(segment: &str) -> &str {
    let end = segment.find(['.', ';']).unwrap_or(segment.len());
    &segment[..end]
}

fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_credits_does_so_in_every_spelling() {
        for path in [
            "v1/people/match",
            "api/v1/people/match",
            "people/match",
            "v2/people/bulk_match",
            "v1/people/match.json",
            "v1/people.xml",
            "v1//people/match",
            "v1/people;a=b/match",
            "v1/people/64a7ff0cc4dfae00013df1a5",
            "v1/organizations/enrich",
            "v1/organizations/bulk_enrich",
            "v1/organizations/5e66b6381e05b4008c8331b8/job_postings",
            "v1/mixed_companies/search",
            "v1/mixed_people/search",
            "v1/news_articles/search",
        ] {
            assert!(may_cost(path), "{path}");
        }
    }

    #[test]
    fn what_is_free_is_free() {
        for path in [
            "v1/mixed_people/api_search",
            "v1/contacts/search",
            "v1/contacts",
            "v1/accounts/search",
            "v1/emailer_campaigns/search",
            "v1/tasks",
            "v1/users/search",
            "v1/contacts/people/match",
            "v1",
            "",
        ] {
            assert!(!may_cost(path), "{path}");
        }
    }
}
