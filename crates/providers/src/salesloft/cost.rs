//! What requests cost. Salesloft counts points, and a team has 600 of them a minute for all its users
//! and applications.

use crate::http::Method;

/// The points that a page of a list costs. All other requests cost as much as a first page.
pub(crate) fn points_of_page(page: u32) -> u32 {
    match page {
        ..=100 => 1,
        101..=150 => 3,
        151..=250 => 8,
        251..=500 => 10,
        501.. => 30,
    }
}

/// What a request with these parameters takes of the team's points.
pub(super) fn points_of<'q>(
    method: &Method,
    parameters: impl Iterator<Item = (&'q str, &'q str)>,
) -> i64 {
    if *method != Method::GET {
        return 1;
    }
    let mut pages = parameters.filter(|(name, _)| *name == "page");
    let page = pages.next().and_then(|(_, page)| page.parse().ok());
    page.map_or(1, |page| points_of_page(page).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_of_a_deep_page_cost_more() {
        let deep = || [("per_page", "100"), ("page", "600")].into_iter();
        assert_eq!(points_of(&Method::GET, deep()), 30);
        assert_eq!(points_of(&Method::POST, deep()), 1);
        assert_eq!(points_of(&Method::GET, [("page", "many")].into_iter()), 1);
        assert_eq!(points_of(&Method::GET, std::iter::empty()), 1);
    }

    #[test]
    fn deep_pages_cost_more() {
        for (first, last, points) in [
            (1, 100, 1),
            (101, 150, 3),
            (151, 250, 8),
            (251, 500, 10),
            (501, u32::MAX, 30),
        ] {
            assert_eq!(points_of_page(first), points, "{first}");
            assert_eq!(points_of_page(last), points, "{last}");
        }
        assert_eq!(points_of_page(0), 1);
    }
}
