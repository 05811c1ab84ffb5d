use super::*;

fn steps(steps: Value) -> Vec<StepDraft> {
    serde_json::from_value(steps).unwrap()
}

fn groups_of(drafts: Value) -> Prepared {
    groups(&steps(drafts), "steps").unwrap()
}

/// The field that is refused.
fn refused(drafts: Value) -> String {
    let error = groups(&steps(drafts), "steps").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    error.field.unwrap().0
}

#[test]
fn days_are_counted_from_the_start() {
    let prepared = groups_of(json!([
        {"type": "call", "interval_seconds": 86_400},
        {"type": "task"},
        {"type": "call", "interval_seconds": 172_800},
    ]));
    let days: Vec<&Value> = prepared.groups.iter().map(|it| &it["day"]).collect();
    assert_eq!(days, [2, 2, 4]);
}

#[test]
fn each_step_is_a_group_with_what_its_kind_has() {
    let prepared = groups_of(json!([
        {"type": "auto_email", "name": "Intro",
            "template": {"subject": "Hello", "body": "<p>1</p>", "name": "First mail"}},
        {"type": "manual_email", "is_reply": true, "template": {"subject": "", "body": "<p>2</p>"}},
        {"type": "call", "task_note": "Ask", "custom_fields": {"due_immediately": true}},
        {"type": "task", "task_note": "Write"},
    ]));
    assert!(prepared.warnings.is_empty());
    let [first, reply, call, task] = prepared.groups.as_slice() else {
        panic!("{prepared:?}");
    };
    let expected = json!({
        "day": 1, "automated": true, "due_immediately": false, "reference_id": 1,
        "automated_settings": {"send_type": "after_time_delay", "delay_time": 0},
        "steps": [{"enabled": true, "name": "Intro", "type": "Email", "type_settings": {
            "email_template": {"title": "First mail", "subject": "Hello", "body": "<p>1</p>"}}}],
    });
    assert_eq!(*first, expected);
    assert_eq!(reply["automated"], false);
    let settings = &reply["steps"][0]["type_settings"];
    assert_eq!(settings["previous_email_step_group_reference_id"], 1);
    assert_eq!(settings["email_template"].get("subject"), None);
    assert_eq!(call["steps"][0]["type"], "Phone");
    assert_eq!(call["steps"][0]["name"], "Step 3");
    assert_eq!(call["due_immediately"], true);
    let expected = json!({"instructions": "Write"});
    assert_eq!(task["steps"][0]["type_settings"], expected);
}

#[test]
fn what_an_import_can_not_express_names_its_field() {
    let email = json!({"subject": "s", "body": "b"});
    for (step, field) in [
        (json!({"type": "linkedin_send_message"}), "type"),
        (json!({"type": "call", "date": "2026-05-04"}), "date"),
        (
            json!({"type": "call", "interval_seconds": 3_600}),
            "interval_seconds",
        ),
        (
            json!({"type": "auto_email", "is_reply": true, "template": email}),
            "is_reply",
        ),
        (
            json!({"type": "auto_email", "template": {"subject": " ", "body": "b"}}),
            "template.subject",
        ),
    ] {
        let drafts = json!([{"type": "call"}, step]);
        assert_eq!(refused(drafts), format!("steps[1].{field}"));
    }
    let alone = groups(&steps(json!([{"type": "call", "date": "2026-05-04"}])), "");
    assert_eq!(alone.unwrap_err().field.unwrap().0, "date");
}

#[test]
fn what_has_no_place_is_told() {
    let prepared = groups_of(json!([
        {"type": "auto_email", "task_note": "x", "template": {"subject": "s", "body": "b"}},
        {"type": "auto_email", "is_reply": true, "template": {"subject": "own", "body": "b"}},
        {"type": "call", "template": {"subject": "s", "body": "b"}},
    ]));
    let told = prepared.warnings;
    assert_eq!(told.len(), 3, "{told:?}");
    for (warning, word) in told.iter().zip(["task_note", "subject", "template"]) {
        assert!(warning.contains(word), "{warning}");
    }
}
