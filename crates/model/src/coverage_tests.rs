use super::*;

fn quiet() -> ScanFacts {
    ScanFacts {
        reached_end: true,
        ordered: true,
        began: Some(at(100)),
        first_reported: Some(3),
        records_reported: Some(3),
        ..ScanFacts::default()
    }
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn verdict(facts: &ScanFacts, distinct: i64, repeated: i64) -> Verdict {
    Coverage::judge(facts, SeenCount { distinct, repeated }).verdict
}

#[test]
fn a_quiet_scan_that_saw_the_reported_total_is_complete() {
    assert_eq!(verdict(&quiet(), 3, 0), Verdict::Complete);
}

#[test]
fn a_scan_without_a_reported_total_is_complete_at_its_end() {
    let facts = ScanFacts {
        first_reported: None,
        records_reported: None,
        ordered: false,
        ..quiet()
    };
    assert_eq!(verdict(&facts, 9, 0), Verdict::Complete);
}

#[test]
fn anything_that_moved_makes_it_drifted() {
    let shrank = ScanFacts {
        total_shrank: true,
        ..quiet()
    };
    let no_id = ScanFacts {
        rejected_without_id: 1,
        ..quiet()
    };
    let shuffled = ScanFacts {
        out_of_order: true,
        ..quiet()
    };
    for (facts, distinct, repeated) in [
        (shrank, 3, 0),
        (no_id, 3, 0),
        (shuffled, 3, 0),
        (quiet(), 3, 1),
        (quiet(), 2, 0),
    ] {
        assert_eq!(verdict(&facts, distinct, repeated), Verdict::Drifted);
    }
}

#[test]
fn records_that_were_created_during_the_scan_may_raise_the_total() {
    let mut facts = quiet();
    facts.note_created([at(1), at(2), at(3), at(110)].into_iter());
    facts.note_total(Some(4));
    assert_eq!(verdict(&facts, 4, 0), Verdict::Complete);
}

#[test]
fn a_deletion_and_an_insert_that_keep_the_total_are_noticed() {
    let mut facts = quiet();
    facts.note_created([at(1), at(2), at(110)].into_iter());
    facts.note_total(Some(3));
    assert_eq!(verdict(&facts, 3, 0), Verdict::Drifted);
}

#[test]
fn an_undelete_is_noticed_by_a_total_that_no_new_record_explains() {
    let mut facts = quiet();
    facts.note_created([at(1), at(2), at(3), at(4)].into_iter());
    facts.note_total(Some(4));
    assert_eq!(verdict(&facts, 4, 0), Verdict::Drifted);
}

#[test]
fn a_record_created_in_the_moment_of_the_beginning_leaves_a_doubt() {
    let mut facts = quiet();
    facts.note_created([at(1), at(2), at(100)].into_iter());
    assert_eq!(verdict(&facts, 3, 0), Verdict::Drifted);
}

#[test]
fn without_an_order_any_change_of_the_total_is_drift() {
    let facts = ScanFacts {
        ordered: false,
        records_reported: Some(4),
        created_since: 1,
        ..quiet()
    };
    assert_eq!(verdict(&facts, 4, 0), Verdict::Drifted);
}

#[test]
fn without_an_order_a_record_created_between_pages_is_drift_and_on_a_single_page_is_not() {
    for (pages, expected) in [(1, Verdict::Complete), (2, Verdict::Drifted)] {
        let facts = ScanFacts {
            ordered: false,
            pages,
            created_since: 1,
            ..quiet()
        };
        assert_eq!(verdict(&facts, 3, 0), expected);
    }
}

#[test]
fn empty_pages_under_a_total_are_drift() {
    assert_eq!(verdict(&quiet(), 0, 0), Verdict::Drifted);
}

#[test]
fn a_run_that_did_not_reach_its_last_page_is_interrupted_or_capped() {
    let facts = ScanFacts {
        reached_end: false,
        ..quiet()
    };
    assert_eq!(verdict(&facts, 3, 0), Verdict::Interrupted);
    let facts = ScanFacts {
        capped: true,
        recent_first: true,
        records_reported: Some(12_000),
        ..facts
    };
    let coverage = Coverage::judge(
        &facts,
        SeenCount {
            distinct: 10_000,
            repeated: 3,
        },
    );
    assert_eq!(coverage.verdict, Verdict::Capped);
    assert!(
        coverage
            .reason
            .contains("of 12000 records the most recently updated 10000"),
        "{}",
        coverage.reason
    );
}
