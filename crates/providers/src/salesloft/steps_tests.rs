//! Steps of the list, joined with those of the export.

use super::*;

fn listed(id: &str, name: &str, (day, number): (i64, i64)) -> Listed {
    Listed {
        id: id.to_owned(),
        cadence_id: Some("1".to_owned()),
        name: Some(name.to_owned()),
        kind: "email".to_owned(),
        day,
        number,
        is_disabled: false,
    }
}

fn exported(name: &str, day: i64, subject: &str) -> Exported {
    Exported {
        name: Some(name.to_owned()),
        kind: "email".to_owned(),
        day,
        is_automated: true,
        delay: 0,
        template: Some(StepTemplate {
            id: None,
            subject: subject.to_owned(),
            body: String::new(),
            name: None,
        }),
        is_reply: false,
        instructions: None,
    }
}

/// The id, what it sends, and the days that it waits.
fn told(steps: &[SequenceStep]) -> Vec<(&str, &str, i64)> {
    let told = steps.iter().map(|step| {
        let subject = step.template.as_ref().map(|it| it.subject.as_str());
        let days = step.interval_seconds.unwrap() / DAY;
        (step.id.as_str(), subject.unwrap_or_default(), days)
    });
    told.collect()
}

#[test]
fn days_count_from_the_step_before_and_variants_wait_as_long_as_each_other() {
    let steps = joined(
        vec![
            listed("1", "a", (3, 1)),
            listed("2", "b", (5, 2)),
            listed("3", "c", (5, 2)),
            listed("4", "d", (5, 3)),
        ],
        vec![
            exported("a", 3, "A"),
            exported("c", 5, "C"),
            exported("b", 5, "B"),
            exported("d", 5, "D"),
        ],
    );
    let expected = [("1", "A", 2), ("2", "B", 2), ("3", "C", 2), ("4", "D", 0)];
    assert_eq!(told(&steps), expected);
    let orders: Vec<u32> = steps.iter().map(|step| step.order).collect();
    assert_eq!(orders, [1, 2, 3, 4]);
}

#[test]
fn a_disabled_step_is_left_out_with_what_it_sends() {
    let disabled = Listed {
        is_disabled: true,
        ..listed("1", "a", (1, 1))
    };
    let steps = joined(
        vec![disabled, listed("2", "a", (4, 2)), listed("3", "a", (4, 3))],
        vec![
            exported("a", 1, "A"),
            exported("a", 4, "B"),
            exported("a", 4, "C"),
        ],
    );
    assert_eq!(told(&steps), [("2", "B", 3), ("3", "C", 0)]);
}

#[test]
fn a_step_that_the_export_does_not_have_is_shown_without_its_content() {
    let steps = joined(vec![listed("1", "a", (1, 1))], vec![exported("a", 2, "A")]);
    assert_eq!(told(&steps), [("1", "", 0)]);
    assert_eq!(
        (steps[0].kind, steps[0].is_reply),
        (StepKind::ManualEmail, None)
    );
}

#[test]
fn a_delay_on_the_day_is_part_of_the_wait() {
    let text = r#"{"day":2,"automated":true,"reference_id":7,
        "automated_settings":{"send_type":"after_time_delay","delay_time":90},
        "steps":[{"name":"a","type":"Email","type_settings":{
            "previous_email_step_group_reference_id":3,
            "email_template":{"title":"Second","body":"<p>Hi</p>"}}}]}"#;
    let group = exported_group(Fields::parse(text)).unwrap();
    let steps = joined(vec![listed("1", "a", (2, 1))], group);
    assert_eq!(steps[0].interval_seconds, Some(DAY + 90 * MINUTE));
    assert_eq!(
        (steps[0].kind, steps[0].is_reply),
        (StepKind::AutoEmail, Some(true))
    );
    let template = steps[0].template.as_ref().unwrap();
    assert_eq!(
        (template.subject.as_str(), template.body.as_str()),
        ("", "<p>Hi</p>")
    );
    assert_eq!(template.name.as_deref(), Some("Second"));
}
