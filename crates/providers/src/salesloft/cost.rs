//! What requests cost. Salesloft counts points, and a team has 600 of them a minute for all its users
//! and applications.

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

#[cfg(test)]
mod tests {
    use super::*;

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
