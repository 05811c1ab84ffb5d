//! Whole walks through made-up lists, however many records share a time and whatever changes
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::salesloft::{api::PER_PAGE, page::page_of};

const MEMBERSHIP: Object = Object::SequenceState;

/// A list of memberships: the second of the last change, by id.
#[derive(Debug, Clone)]
struct Server(BTreeMap<u32, u32>);

impl Server {
    /// The answer to the request for a page, in the order of the last change.
    fn answer(&self, position: &PagePosition) -> String {
        let mut kept: Vec<(u32, u32)> = self
            .0
            .iter()
            .map(|(id, second)| (*second, *id))
            .filter(|(second, _)| position.from.is_none_or(|from| at(*second) >= from))
            .collect();
        kept.sort_unstable();
        let (total, size) = (kept.len(), PER_PAGE as usize);
        let start = size * (position.page as usize - 1);
        let next = if total > start + size {
            (position.page + 1).to_string()
        } else {
            "null".to_owned()
        };
        let shown: Vec<String> = kept.into_iter().skip(start).take(size).map(shown).collect();
        format!(
            r#"{{"metadata":{{"paging":{{"next_page":{next},"total_count":{total}}}}},"data":[{}]}}"#,
            shown.join(",")
        )
    }

    /// Whether a page can be full of records with one time.
    fn is_crowded(&self) -> bool {
        let mut alike = BTreeMap::new();
        for second in self.0.values() {
            *alike.entry(second).or_insert(0) += 1;
        }
        alike.values().any(|count| *count >= PER_PAGE)
    }

    /// A record changes, later than all others.
    fn touch(&mut self, nth: usize) {
        let last = self.0.values().max().copied().unwrap_or_default();
        let nth = nth % self.0.len().max(1);
        if let Some(second) = self.0.values_mut().nth(nth) {
            *second = last + 1;
        }
    }
}

fn at(second: u32) -> i64 {
    i64::from(second) * 1_000_000
}

fn shown((second, id): (u32, u32)) -> String {
    let time = written(at(second)).unwrap();
    format!(r#"{{"id":{id},"updated_at":"{time}"}}"#)
}

/// The ids of every page and the total that it reports, if the server changes after each page.
fn walked(server: &mut Server, mut change: impl FnMut(&mut Server)) -> (Vec<u32>, Vec<i64>) {
    let walk = Walk::of(MEMBERSHIP).unwrap();
    let (mut ids, mut totals, mut token) = (Vec::new(), Vec::new(), None::<String>);
    for page in 1..=100 {
        let request = ListRequest {
            page,
            token: token.as_deref(),
            since: None,
            order: syncline_model::Order::OldestFirst,
        };
        let position = PagePosition::of(request, PER_PAGE).unwrap();
        let read = page_of(&server.answer(&position), MEMBERSHIP, walk, &position).unwrap();
        let scanned = read.records.scanned();
        ids.extend(scanned.iter().map(|(id, _)| id.parse::<u32>().unwrap()));
        totals.extend(read.reported_total);
        let Some(next) = read.next else {
            return (ids, totals);
        };
        token = next.token;
        change(server);
    }
    panic!("the walk has no end")
}

/// Lists of which some have one time for all records, and some one for each.
fn server() -> impl Strategy<Value = Server> {
    (1_u32..400).prop_flat_map(|times| {
        let records = prop::collection::vec(0..times, 0..700);
        records.prop_map(|seconds| Server((1..).zip(seconds).collect()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_list_that_does_not_change_is_read_once(mut server in server()) {
        let expected = server.0.clone();
        let (mut ids, totals) = walked(&mut server, |_| {});
        ids.sort_unstable();
        prop_assert_eq!(ids, expected.keys().copied().collect::<Vec<_>>());
        let total = i64::try_from(expected.len()).unwrap();
        prop_assert!(totals.iter().all(|told| *told == total), "{:?}", totals);
    }

    #[test]
    fn of_a_list_that_changes_no_record_is_missed_unnoticed(
        mut server in server(),
        touched in prop::collection::vec(any::<usize>(), 20),
    ) {
        let expected: BTreeSet<u32> = server.0.keys().copied().collect();
        let is_crowded = server.is_crowded();
        let mut touched = touched.into_iter();
        let (ids, _) = walked(&mut server, |server| {
            if let Some(nth) = touched.next() {
                server.touch(nth);
            }
        });
        let distinct: BTreeSet<u32> = ids.iter().copied().collect();
        let is_noticed = is_crowded && distinct.len() < ids.len();
        prop_assert!(distinct == expected || is_noticed);
    }
}
