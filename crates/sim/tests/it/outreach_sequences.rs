//! Sequences built and deleted, and prospects in them.

use serde_json::{Value, json};
use syncline_sim::{Duplicates, Options, Ruleset, SimReply, Simulator, Team};

use crate::noon;
use crate::outreach_support::{
    act, change, delete, error, get, id, ids, linkage, new, outreach, outreach_with, patch, post,
    walk,
};

fn created(reply: &SimReply) -> Value {
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["data"].clone()
}

/// A sequence of one e-mail, off.
fn build(sim: &Simulator) -> String {
    let sequence = json!({"name": "Spring", "sequenceType": "interval", "shareType": "shared", "tags": ["eu"]});
    let sequence = id(&created(&post(
        sim,
        "sequences",
        &new("sequence", &sequence, &json!({})),
    )));
    let step = json!({"stepType": "auto_email", "order": 1, "interval": 3_600});
    let of = json!({"sequence": linkage("sequence", &sequence)});
    let step = id(&created(&post(
        sim,
        "sequenceSteps",
        &new("sequenceStep", &step, &of),
    )));
    let template =
        json!({"name": "Hello", "subject": "Hi", "bodyHtml": "<p>Hi {{first_name}}</p>"});
    let template = id(&created(&post(
        sim,
        "templates",
        &new("template", &template, &json!({})),
    )));
    let of = json!({
        "sequenceStep": linkage("sequenceStep", &step), "template": linkage("template", &template)
    });
    created(&post(
        sim,
        "sequenceTemplates",
        &new("sequenceTemplate", &json!({"isReply": false}), &of),
    ));
    sequence
}

/// A prospect with an address, a running sequence and a mailbox whose user is there.
fn three(sim: &Simulator) -> [String; 3] {
    let sequence = build(sim);
    assert_eq!(
        act(sim, &format!("sequences/{sequence}/actions/activate")).status,
        200
    );
    let prospect = json!({"emails": [format!("someone{sequence}@x.example")]});
    let prospect = created(&post(
        sim,
        "prospects",
        &new("prospect", &prospect, &json!({})),
    ));
    [id(&prospect), sequence, mailbox(sim)]
}

/// A mailbox of somebody who is not locked.
fn mailbox(sim: &Simulator) -> String {
    let user = sim.read(0, |team| team.user_ids()[4].clone());
    id(&walk(sim, &format!("mailboxes?filter[user][id]={user}"))[0])
}

fn enrol(sim: &Simulator, [prospect, sequence, mailbox]: &[String; 3]) -> SimReply {
    let relationships = json!({
        "prospect": linkage("prospect", prospect),
        "sequence": linkage("sequence", sequence),
        "mailbox": linkage("mailbox", mailbox),
    });
    post(
        sim,
        "sequenceStates",
        &new("sequenceState", &json!({}), &relationships),
    )
}

fn refused(reply: &SimReply, words: &str) {
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert_eq!(
        error(reply),
        (
            "validationError".to_owned(),
            words.to_owned(),
            "/data".to_owned()
        )
    );
}

fn state(sim: &Simulator, id: &str) -> String {
    let record = get(sim, &format!("sequenceStates/{id}")).json();
    record["data"]["attributes"]["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_sequence_is_built_step_by_step_and_turned_on() {
    let sim = outreach(20);
    let sequence = build(&sim);
    let target = format!("sequences/{sequence}");
    let shown = get(&sim, &target).json()["data"]["attributes"].clone();
    assert_eq!(
        (&shown["enabled"], &shown["enabledAt"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&shown["shareType"], &shown["tags"]),
        (&json!("shared"), &json!(["eu"]))
    );
    assert_eq!(
        (
            &shown["scheduleIntervalType"],
            &shown["throttleMaxAddsPerDay"],
            &shown["primaryReplyAction"]
        ),
        (&json!("calendar"), &json!(50), &json!("finish"))
    );
    assert_eq!(shown["sequenceStepCount"], 1);
    let on = act(&sim, &format!("{target}/actions/activate")).json()["data"].clone();
    assert_eq!(on["attributes"]["enabled"], true);
    assert_eq!(on["attributes"]["enabledAt"], "2026-02-16T12:00:00.000Z");
    let step = walk(
        &sim,
        &format!("sequenceSteps?filter[sequence][id]={sequence}"),
    )[0]
    .clone();
    assert_eq!(
        (
            &step["attributes"]["interval"],
            &step["attributes"]["order"]
        ),
        (&json!(3_600), &json!(1))
    );
    let variant = &step["relationships"]["sequenceTemplates"]["data"][0];
    let variant = get(&sim, &format!("sequenceTemplates/{}", id(variant))).json()["data"].clone();
    assert_eq!(variant["attributes"]["enabled"], true);
    let template = id(&variant["relationships"]["template"]["data"]);
    let template = get(&sim, &format!("templates/{template}")).json();
    assert_eq!(
        template["data"]["attributes"]["bodyHtml"],
        "<p>Hi {{first_name}}</p>"
    );
    assert_eq!(
        template["data"]["attributes"]["bodyText"],
        "Hi {{first_name}}"
    );
    let off = act(&sim, &format!("{target}/actions/deactivate")).json();
    assert_eq!(off["data"]["attributes"]["enabled"], false);
    let body = change(
        "sequence",
        &sequence,
        &json!({"name": "Summer", "shareType": "private"}),
    );
    let changed = patch(&sim, &target, &body).json()["data"]["attributes"].clone();
    assert_eq!(
        (&changed["name"], &changed["shareType"]),
        (&json!("Summer"), &json!("private"))
    );
}

#[test]
fn an_empty_sequence_can_not_be_turned_on_and_a_step_needs_a_sequence_and_a_type() {
    let sim = outreach(20);
    let empty = created(&post(
        &sim,
        "sequences",
        &new("sequence", &json!({"name": "Empty"}), &json!({})),
    ));
    let target = format!("sequences/{}/actions/activate", id(&empty));
    assert_eq!(act(&sim, &target).status, 422);
    let step = new("sequenceStep", &json!({"stepType": "call"}), &json!({}));
    assert_eq!(post(&sim, "sequenceSteps", &step).status, 422);
    let of = json!({"sequence": linkage("sequence", &id(&empty))});
    let step = |attributes: Value| {
        post(
            &sim,
            "sequenceSteps",
            &new("sequenceStep", &attributes, &of),
        )
    };
    assert_eq!(step(json!({})).status, 422);
    assert_eq!(step(json!({"stepType": "dance"})).status, 422);
    let first = created(&step(json!({"stepType": "call", "taskNote": "ring"})));
    assert_eq!(first["attributes"]["interval"], 604_800, "a week");
    assert_eq!(first["attributes"]["displayName"], "Step #1 (Call)");
    let second = created(&step(json!({"stepType": "task", "order": 1})));
    assert_eq!(second["attributes"]["order"], 2, "the place is taken");
    let number = id(&second);
    let body = change(
        "sequenceStep",
        &number,
        &json!({"interval": 60, "taskNote": "write"}),
    );
    let changed = patch(&sim, &format!("sequenceSteps/{number}"), &body).json();
    assert_eq!(changed["data"]["attributes"]["interval"], 60);
    assert_eq!(
        delete(&sim, &format!("sequenceSteps/{number}")).status,
        404,
        "no such route"
    );
}

#[test]
fn linkedin_steps_units_and_new_variants_are_as_switched() {
    let build = |set: fn(&mut Options)| {
        let sim = outreach_with(10, set);
        let sequence = created(&post(
            &sim,
            "sequences",
            &new("sequence", &json!({"name": "S"}), &json!({})),
        ));
        let of = json!({"sequence": linkage("sequence", &id(&sequence))});
        let step = json!({"stepType": "linkedin_send_message", "interval": 20});
        (
            post(&sim, "sequenceSteps", &new("sequenceStep", &step, &of)),
            sim,
        )
    };
    let (usual, _) = build(|_| {});
    assert_eq!(
        created(&usual)["attributes"]["stepType"],
        "linkedin_send_message"
    );
    let (none, _) = build(|options| options.outreach.switches.linkedin_steps = false);
    assert_eq!(none.status, 422);
    let (minutes, _) = build(|options| options.outreach.switches.intervals_in_minutes = true);
    assert_eq!(created(&minutes)["attributes"]["interval"], 20);
    let (step, sim) =
        build(|options| options.outreach.switches.new_sequence_templates_enabled = false);
    let template = created(&post(
        &sim,
        "templates",
        &new("template", &json!({"subject": "Hi"}), &json!({})),
    ));
    let of = json!({
        "sequenceStep": linkage("sequenceStep", &id(&created(&step))),
        "template": linkage("template", &id(&template)),
    });
    let variant = created(&post(
        &sim,
        "sequenceTemplates",
        &new("sequenceTemplate", &json!({}), &of),
    ));
    assert_eq!(variant["attributes"]["enabled"], false);
    let target = format!("sequenceTemplates/{}", id(&variant));
    let on = act(&sim, &format!("{target}/actions/activate")).json();
    assert_eq!(on["data"]["attributes"]["enabled"], true);
    assert_eq!(delete(&sim, &target).status, 204);
    assert_eq!(get(&sim, &target).status, 404);
    let listed = ids(&walk(&sim, "templates?page[size]=1000"));
    assert!(!listed.contains(&id(&template)), "without a name");
    let number = id(&template);
    let body = change(
        "template",
        &number,
        &json!({"archived": true, "name": "Old"}),
    );
    let archived = patch(&sim, &format!("templates/{number}"), &body).json();
    assert_eq!(
        archived["data"]["attributes"]["archivedAt"],
        "2026-02-16T12:00:00.000Z"
    );
    assert_eq!(delete(&sim, &format!("templates/{number}")).status, 204);
}

#[test]
fn a_prospect_is_added_paused_resumed_and_finished() {
    let sim = outreach(20);
    let [prospect, sequence, mailbox] = three(&sim);
    let made = created(&enrol(
        &sim,
        &[prospect.clone(), sequence.clone(), mailbox.clone()],
    ));
    assert_eq!(made["attributes"]["state"], "active");
    for (name, expected) in [
        ("prospect", &prospect),
        ("sequence", &sequence),
        ("mailbox", &mailbox),
    ] {
        assert_eq!(
            &id(&made["relationships"][name]["data"]),
            expected,
            "{name}"
        );
    }
    assert!(made["relationships"]["sequenceStep"]["data"].is_object());
    assert!(made["relationships"]["user"]["data"].is_object());
    let number = id(&made);
    let action = |name: &str| act(&sim, &format!("sequenceStates/{number}/actions/{name}"));
    refused(&action("resume"), "Cannot transition to requested state");
    assert_eq!(
        action("pause").json()["data"]["attributes"]["state"],
        "paused"
    );
    refused(&action("pause"), "Cannot transition to requested state");
    assert_eq!(
        action("resume").json()["data"]["attributes"]["state"],
        "active"
    );
    assert_eq!(
        action("finish").json()["data"]["attributes"]["state"],
        "finished"
    );
    for name in ["pause", "resume", "finish"] {
        refused(&action(name), "Cannot transition to requested state");
    }
    let record = get(&sim, &format!("prospects/{prospect}")).json();
    let open = &record["data"]["relationships"]["activeSequenceStates"];
    assert_eq!(open["meta"]["count"], 0);
    let target = format!("sequenceStates/{number}");
    assert_eq!(delete(&sim, &target).status, 204);
    assert_eq!(get(&sim, &target).status, 404);
}

#[test]
fn finishing_from_paused_and_resuming_a_failure_are_as_switched() {
    for lenient in [true, false] {
        let sim = outreach_with(300, |options| {
            options.outreach.switches.lenient_transitions = lenient;
        });
        let expected = if lenient { 200 } else { 422 };
        let first =
            |word: &str| id(&walk(&sim, &format!("sequenceStates?filter[state]={word}"))[0]);
        let paused = first("paused");
        let finish = act(&sim, &format!("sequenceStates/{paused}/actions/finish"));
        assert_eq!(finish.status, expected);
        let bounced = first("bounced");
        let resume = act(&sim, &format!("sequenceStates/{bounced}/actions/resume"));
        assert_eq!(resume.status, expected);
    }
}

#[test]
fn a_prospect_is_in_a_sequence_once_unless_the_ruleset_says_otherwise() {
    let sim = outreach(20);
    let three = three(&sim);
    let first = id(&created(&enrol(&sim, &three)));
    let again = "Prospect has already been in this sequence";
    refused(&enrol(&sim, &three), again);
    act(&sim, &format!("sequenceStates/{first}/actions/finish"));
    refused(&enrol(&sim, &three), again);
    let ruleset = |duplicates| Ruleset {
        duplicates,
        exclusive: false,
    };
    sim.edit(0, |team| {
        team.set_ruleset(ruleset(Duplicates::OnlyIfInactive));
    });
    let second = id(&created(&enrol(&sim, &three)));
    assert_ne!(second, first, "a row of its own");
    refused(&enrol(&sim, &three), again);
    sim.edit(0, |team| team.set_ruleset(ruleset(Duplicates::Allow)));
    created(&enrol(&sim, &three));
    assert_eq!(state(&sim, &first), "finished");
    act(&sim, &format!("sequenceStates/{second}/actions/pause"));
    assert_eq!(state(&sim, &second), "paused", "the one that was named");
}

#[test]
fn refusals_say_why() {
    let sim = outreach(20);
    let [prospect, sequence, mailbox] = three(&sim);
    let ask = |prospect: &String, sequence: &String| {
        enrol(&sim, &[prospect.clone(), sequence.clone(), mailbox.clone()])
    };
    created(&ask(&prospect, &sequence));
    let [_, other, _] = three(&sim);
    sim.edit(0, |team| {
        team.set_ruleset(Ruleset {
            exclusive: true,
            ..Ruleset::default()
        });
    });
    refused(
        &ask(&prospect, &other),
        "Prospect active in another exclusive sequence",
    );
    let make = |attributes: Value| {
        id(&created(&post(
            &sim,
            "prospects",
            &new("prospect", &attributes, &json!({})),
        )))
    };
    let silent = make(json!({"firstName": "Silent"}));
    refused(&ask(&silent, &sequence), "Prospect has no email address");
    let out = make(json!({"emails": ["out@x.example"], "optedOut": true}));
    refused(&ask(&out, &sequence), "Prospect is opted out");
    let body = change("sequence", &other, &json!({"shareType": "private"}));
    patch(&sim, &format!("sequences/{other}"), &body);
    let anybody = make(json!({"emails": ["any@x.example"]}));
    created(&ask(&anybody, &other));
    let user = sim.read(0, |team| team.user_ids()[4].clone());
    let owned = json!({"data": {
        "type": "sequence", "id": other, "relationships": {"owner": linkage("user", &user)}
    }});
    assert_eq!(
        patch(&sim, &format!("sequences/{other}"), &owned).status,
        200
    );
    let else_one = make(json!({"emails": ["else@x.example"]}));
    refused(&ask(&else_one, &other), "User not the owner");
    sim.edit(0, |team| team.lock_user(&user, true)).unwrap();
    refused(&ask(&else_one, &sequence), "User is locked");
    let without = json!({"prospect": linkage("prospect", &else_one), "sequence": linkage("sequence", &sequence)});
    let reply = post(
        &sim,
        "sequenceStates",
        &new("sequenceState", &json!({}), &without),
    );
    refused(&reply, "Mailbox can't be blank");
}

#[test]
fn a_sequence_that_is_off_takes_prospects_who_wait_for_it_unless_switched() {
    let sim = outreach(20);
    let [prospect, _, mailbox] = three(&sim);
    let off = build(&sim);
    let made = created(&enrol(&sim, &[prospect, off.clone(), mailbox]));
    assert_eq!(made["attributes"]["state"], "pending");
    let number = id(&made);
    act(&sim, &format!("sequences/{off}/actions/activate"));
    assert_eq!(state(&sim, &number), "active");
    let strict = outreach_with(20, |options| {
        options.outreach.switches.disabled_sequences_take_prospects = false;
    });
    let [prospect, _, mailbox] = three(&strict);
    let off = build(&strict);
    refused(
        &enrol(&strict, &[prospect, off, mailbox]),
        "Sequence is not active",
    );
}

#[test]
fn deleting_a_sequence_takes_its_states_away_unless_those_stay() {
    for takes in [true, false] {
        let sim = outreach_with(20, |options| {
            options.outreach.switches.sequence_delete_takes_states = takes;
        });
        let three = three(&sim);
        let number = id(&created(&enrol(&sim, &three)));
        let target = format!("sequences/{}", three[1]);
        assert_eq!(delete(&sim, &target).status, 204);
        assert_eq!(get(&sim, &target).status, 404);
        let read = get(&sim, &format!("sequenceStates/{number}")).status;
        assert_eq!(read, if takes { 404 } else { 200 });
    }
}

#[test]
fn a_build_that_fails_half_way_leaves_a_sequence_that_can_be_deleted() {
    let sim = outreach(20);
    let sequence = created(&post(
        &sim,
        "sequences",
        &new("sequence", &json!({"name": "Half"}), &json!({})),
    ));
    let long = json!({"name": "x".repeat(256)});
    assert_eq!(
        post(&sim, "templates", &new("template", &long, &json!({}))).status,
        422
    );
    let number = id(&sequence);
    assert!(ids(&walk(&sim, "sequences?page[size]=1000")).contains(&number));
    assert_eq!(delete(&sim, &format!("sequences/{number}")).status, 204);
    assert_eq!(sim.read(0, Team::now), noon());
}
