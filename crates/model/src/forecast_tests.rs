use super::*;

fn reading(object: Object, hours: i64, records: i64) -> Reading {
    Reading {
        object,
        period: TimeDelta::hours(hours),
        records,
        requests: (records + 99) / 100,
        endpoint: object.plural(),
        incrementals: 0,
    }
}

fn of_records(readings: &[Reading]) -> Forecast {
    Forecast::of(readings, &VolumeLimits::default(), &[])
}

fn used(forecast: &Forecast, window: RecordWindow) -> (i64, i64) {
    let of = Counted::Records(window);
    let found = forecast.uses.iter().find(|it| it.of == of).unwrap();
    (found.asked, found.used)
}

#[test]
fn what_fits_is_read_as_planned() {
    let readings = [
        reading(Object::User, 1, 10),
        reading(Object::Contact, 1, 1_000),
    ];
    let forecast = of_records(&readings);
    assert_eq!(forecast.periods, [TimeDelta::hours(1); 2]);
    assert_eq!(used(&forecast, RecordWindow::Hour), (1_010, 1_010));
    assert_eq!(used(&forecast, RecordWindow::Day), (24_240, 24_240));
    assert!(forecast.uses.iter().all(Use::fits));
}

#[test]
fn the_day_is_the_limit_of_ten_thousand_records_an_hour() {
    // As docs/limits.md says: every 4 h 48 min.
    let forecast = of_records(&[reading(Object::Contact, 1, 10_000)]);
    assert_eq!(forecast.periods, [TimeDelta::minutes(288)]);
    assert_eq!(used(&forecast, RecordWindow::Day), (240_000, 50_000));
}

#[test]
fn what_is_due_seldom_stays_as_planned_beside_what_is_slowed_down() {
    let readings = [
        reading(Object::Account, 24, 10_000),
        reading(Object::Contact, 1, 10_000),
    ];
    let forecast = of_records(&readings);
    assert_eq!(forecast.periods[0], TimeDelta::hours(24));
    // 40,000 records of the day are left: every 6 hours.
    assert_eq!(forecast.periods[1], TimeDelta::hours(6));
    assert_eq!(used(&forecast, RecordWindow::Day), (250_000, 50_000));
}

#[test]
fn objects_that_are_due_equally_often_are_slowed_down_equally() {
    let readings = [
        reading(Object::Account, 1, 5_000),
        reading(Object::Contact, 1, 5_000),
    ];
    let forecast = of_records(&readings);
    assert_eq!(forecast.periods, [TimeDelta::minutes(288); 2]);
}

#[test]
fn incremental_runs_cost_a_request_and_no_records_if_nothing_changed() {
    let contacts = Reading {
        incrementals: 23,
        ..reading(Object::Contact, 1, 10_000)
    };
    let window = RequestLimit {
        endpoint: "contacts".to_owned(),
        window: RequestWindow::Day,
        limit: 2_000,
    };
    let forecast = Forecast::of(&[contacts], &VolumeLimits::default(), &[window]);
    assert_eq!(forecast.periods, [TimeDelta::hours(1)]);
    assert_eq!(used(&forecast, RecordWindow::Day), (10_000, 10_000));
    let requests = forecast.uses.last().unwrap();
    assert_eq!((requests.limit, requests.asked), (1_600, 123));
}

#[test]
fn a_request_window_slows_its_own_endpoint_only() {
    let readings = [
        reading(Object::Account, 1, 1_000),
        reading(Object::Contact, 1, 1_000),
    ];
    let window = RequestLimit {
        endpoint: "contacts".to_owned(),
        window: RequestWindow::Hour,
        limit: 5,
    };
    let forecast = Forecast::of(&readings, &VolumeLimits::NONE, &[window]);
    // Ten pages, of which four an hour are for syncs.
    assert_eq!(
        forecast.periods,
        [TimeDelta::hours(1), TimeDelta::minutes(150)]
    );
}

#[test]
fn nothing_to_read_takes_nothing() {
    let forecast = of_records(&[reading(Object::User, 1, 0)]);
    assert_eq!(forecast.periods, [TimeDelta::hours(1)]);
    assert_eq!(used(&forecast, RecordWindow::Hour), (0, 0));
    assert!(of_records(&[]).periods.is_empty());
}
