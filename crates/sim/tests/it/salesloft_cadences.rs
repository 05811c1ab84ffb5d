//! Cadences: imported, exported, and people added to them and taken off.

use serde_json::{Value, json};
use syncline_sim::{SimReply, SimRequest, Simulator, Team};

use crate::noon;
use crate::salesloft_support::{
    TOKEN, delete, done, get, id, post, records, refusal, salesloft, salesloft_with, text, time,
};

fn email(title: &str, subject: Option<&str>, previous: Option<u64>) -> Value {
    let mut template =
        json!({"title": title, "body": "<p>Hi {{first_name}}, {{My.first_name}}</p>"});
    let mut settings = json!({});
    if let Some(subject) = subject {
        template["subject"] = json!(subject);
    }
    if let Some(previous) = previous {
        settings["previous_email_step_group_reference_id"] = json!(previous);
    }
    settings["email_template"] = template;
    json!({"enabled": true, "name": title, "type": "Email", "type_settings": settings})
}

fn whole() -> Value {
    let delay = json!({"send_type": "after_time_delay", "delay_time": 0});
    let call = json!({"enabled": true, "name": "Call", "type": "Phone",
                      "type_settings": {"instructions": "Ask about the fish"}});
    json!({
        "settings": {"name": "CFO intro", "target_daily_people": 5, "remove_replied": true,
                     "remove_bounced": false, "cadence_function": "outbound"},
        "sharing_settings": {"team_cadence": true, "shared": true},
        "cadence_content": {"step_groups": [
            {"day": 1, "automated": true, "automated_settings": delay, "due_immediately": false,
             "reference_id": 1, "steps": [email("A", Some("Fish"), None), email("B", Some("Fisch"), None)]},
            {"day": 3, "automated": false, "due_immediately": false, "steps": [call]},
            {"day": 8, "automated": true, "automated_settings": delay, "reference_id": 2,
             "steps": [email("Again", None, Some(1))]},
        ]},
    })
}

fn import(sim: &Simulator, body: &Value) -> SimReply {
    post(sim, "cadence_imports", body)
}

fn imported(sim: &Simulator) -> String {
    let data = done(&import(sim, &whole()));
    assert_eq!(data.as_object().unwrap().len(), 1, "no steps in it");
    data["cadence"]["id"].to_string()
}

#[test]
fn an_import_makes_a_draft_with_variants_and_a_reply() {
    let sim = salesloft(10);
    let cadence = imported(&sim);
    let shown = done(&get(&sim, &format!("cadences/{cadence}")));
    assert_eq!(
        (&shown["draft"], &shown["current_state"]),
        (&json!(true), &json!("draft"))
    );
    assert_eq!(shown["remove_bounces_enabled"], false);
    assert_eq!(shown["team_cadence"], true);
    let target = format!("steps?cadence_id={cadence}&sort_by=created_at&sort_direction=ASC");
    let steps = records(&sim, &target);
    let told: Vec<(u64, u64, &str, bool)> = steps
        .iter()
        .map(|step| {
            let number = |name: &str| step[name].as_u64().unwrap();
            let twin = step["multitouch_enabled"].as_bool().unwrap();
            (
                number("day"),
                number("step_number"),
                text(step, "type"),
                twin,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 1, "email", true),
            (1, 1, "email", true),
            (3, 2, "phone", false),
            (8, 3, "email", false)
        ]
    );
    assert_eq!(steps[3]["display_name"], "Day 8: Step 3 - Email");
    let templates = records(&sim, &format!("email_templates?cadence_id={cadence}"));
    let reply = templates
        .iter()
        .find(|template| template["title"] == "Again")
        .unwrap();
    assert_eq!(
        (&reply["subject"], &reply["cadence_template"]),
        (&json!("Re: Fish"), &json!(true))
    );
    let listed = records(&sim, "email_templates?per_page=100");
    assert!(listed.iter().all(|template| template["title"] != "Again"));
    sim.edit(0, |team| team.set_sequence_active(&cadence, true))
        .unwrap();
    assert_eq!(
        done(&get(&sim, &format!("cadences/{cadence}")))["draft"],
        false
    );
}

#[test]
fn an_export_is_what_an_import_takes() {
    let sim = salesloft(10);
    let cadence = imported(&sim);
    let export = |cadence: &str| done(&get(&sim, &format!("cadence_exports/{cadence}")));
    let first = export(&cadence)["cadence_content"].clone();
    let groups = first["step_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    assert_eq!(groups[0]["steps"].as_array().unwrap().len(), 2);
    let reply = &groups[2]["steps"][0]["type_settings"];
    assert_eq!(reply["previous_email_step_group_reference_id"], 1);
    assert!(reply["email_template"].get("subject").is_none());
    let body = json!({
        "settings": first["settings"],
        "sharing_settings": first["sharing_settings"],
        "cadence_content": {"step_groups": first["step_groups"]},
    });
    let copy = done(&import(&sim, &body))["cadence"]["id"].to_string();
    assert_eq!(export(&copy)["cadence_content"], first);
    let generated = sim.read(0, |team: &Team| team.sequence_ids()[0].clone());
    let days = export(&generated)["cadence_content"]["step_groups"][0]["day"].clone();
    assert_eq!(days, 1);
    assert_eq!(get(&sim, "cadence_exports/999999").status, 404);
}

#[test]
fn an_import_is_refused_for_what_does_not_fit() {
    let sim = salesloft(10);
    let with = |place: &str, value: Value| {
        let mut body = whole();
        *body.pointer_mut(place).unwrap() = value;
        import(&sim, &body)
    };
    let groups = "/cadence_content/step_groups";
    let first = format!("{groups}/0/steps/0/type_settings/email_template");
    let tag = with(&format!("{first}/body"), json!("{{my_first_name}}"));
    let (status, words) = refusal(&tag, "email_template");
    assert_eq!(
        (status, words.as_str()),
        (422, "has an unknown dynamic tag: my_first_name")
    );
    let refused = |place: &str, value: Value, field: &str| refusal(&with(place, value), field).0;
    assert_eq!(refused("/settings/name", json!(""), "name"), 422);
    assert_eq!(refused(&format!("{groups}/0/day"), json!(1.5), "day"), 422);
    assert_eq!(refused(&format!("{groups}/0/day"), json!(0), "day"), 422);
    assert_eq!(
        refused(
            &format!("{groups}/0/reference_id"),
            json!(null),
            "reference_id"
        ),
        422
    );
    assert_eq!(
        refused(&format!("{groups}/1/automated"), json!(true), "automated"),
        422
    );
    assert_eq!(
        refused(&format!("{groups}/1/steps/0/type"), json!("Dance"), "type"),
        422
    );
    assert_eq!(
        refused(&format!("{groups}/0/steps"), json!([]), "steps"),
        422
    );
    let previous = "previous_email_step_group_reference_id";
    let place = format!("{groups}/2/steps/0/type_settings/{previous}");
    assert_eq!(refused(&place, json!(7), previous), 422);
    assert_eq!(
        refused(
            "/settings/cadence_function",
            json!("dance"),
            "cadence_function"
        ),
        422
    );
    let count = sim.read(0, |team| team.counts().sequences);
    let fresh = salesloft(10).read(0, |team| team.counts().sequences);
    assert_eq!(count, fresh, "nothing was made");
}

#[test]
fn steps_go_only_into_an_empty_cadence_unless_switched() {
    let sim = salesloft(10);
    let mut body = whole();
    body["cadence_content"]["step_groups"] = json!([]);
    let empty = done(&import(&sim, &body))["cadence"]["id"].clone();
    let mut content = whole();
    content["cadence_content"]["cadence_id"] = empty.clone();
    content.as_object_mut().unwrap().remove("settings");
    assert_eq!(done(&import(&sim, &content))["cadence"]["id"], empty);
    let again = refusal(&import(&sim, &content), "cadence_id");
    assert_eq!(again, (422, "must not have existing steps".to_owned()));
    let mild = salesloft_with(10, |options| {
        options.salesloft.switches.imports_append = true;
    });
    let cadence = imported(&mild);
    content["cadence_content"]["cadence_id"] = json!(cadence);
    assert_eq!(import(&mild, &content).status, 200);
    let steps = records(&mild, &format!("steps?cadence_id={cadence}"));
    assert_eq!(steps.len(), 8);
}

/// A person who can be added, and a cadence that takes people.
fn pair(sim: &Simulator) -> (String, String) {
    let fields = json!({"email_address": "tove@nordvik.example", "first_name": "Tove"});
    let person = id(&done(&post(sim, "people", &fields)));
    let cadences = records(sim, "cadences?people_addable=true");
    (person, id(&cadences[0]))
}

fn enrol(sim: &Simulator, person: &str, cadence: &str) -> SimReply {
    let body = json!({"person_id": person, "cadence_id": cadence});
    post(sim, "cadence_memberships", &body)
}

#[test]
fn a_person_is_added_taken_off_and_added_again_with_the_same_membership() {
    let sim = salesloft(20);
    let (person, cadence) = pair(&sim);
    let made = done(&enrol(&sim, &person, &cadence));
    assert_eq!(
        (&made["current_state"], &made["currently_on_cadence"]),
        (&json!("staged"), &json!(true))
    );
    assert_eq!(made["user"]["id"], done(&get(&sim, "me"))["id"]);
    assert!(time(&made, "added_at") < time(&made, "created_at"));
    let again = enrol(&sim, &person, &cadence);
    assert_eq!(
        refusal(&again, "person"),
        (422, "is already on this cadence".to_owned())
    );
    let shown = done(&get(&sim, &format!("people/{person}")));
    assert_eq!(shown["cadences"][0]["id"].to_string(), cadence);
    let target = format!("cadence_memberships/{}", id(&made));
    assert_eq!(
        (delete(&sim, &target).status, delete(&sim, &target).status),
        (204, 204)
    );
    let left = done(&get(&sim, &target));
    assert_eq!(left["current_state"], "removed_no_action");
    let back = done(&enrol(&sim, &person, &cadence));
    assert_eq!(
        (&back["id"], &back["created_at"]),
        (&made["id"], &made["created_at"])
    );
    assert_eq!(back["currently_on_cadence"], true);
}

#[test]
fn the_fields_of_a_membership_can_be_in_the_query() {
    let sim = salesloft(20);
    let (person, cadence) = pair(&sim);
    let target = format!("/v2/cadence_memberships.json?person_id={person}&cadence_id={cadence}");
    let request = SimRequest::new("POST".parse().unwrap(), &target);
    let request = request.header("authorization", &format!("Bearer {TOKEN}"));
    done(&sim.respond(noon(), &request));
    let nothing = post(&sim, "cadence_memberships", &json!({"person_id": person}));
    assert_eq!(refusal(&nothing, "cadence_id").0, 422);
}

#[test]
fn enrolment_is_refused_as_switched() {
    let words = |reply: &SimReply| (reply.status, reply.json()["errors"].clone());
    let sim = salesloft(20);
    let (person, cadence) = pair(&sim);
    let draft = imported(&sim);
    let archived = id(&records(&sim, "cadences?archived=true")[0]);
    let mute = json!({"email_address": "mute@nordvik.example", "do_not_contact": true});
    let mute = id(&done(&post(&sim, "people", &mute)));
    let nobody = words(&enrol(&sim, "999999", &cadence));
    assert_eq!(nobody, (422, json!({"person": ["must exist"]})));
    assert_eq!(
        words(&enrol(&sim, &person, "999999")).1,
        json!({"cadence": ["must exist"]})
    );
    assert_eq!(
        (
            enrol(&sim, &person, &draft).status,
            enrol(&sim, &person, &archived).status
        ),
        (422, 422)
    );
    let forbidden = words(&enrol(&sim, &mute, &cadence)).1;
    assert_eq!(
        forbidden,
        json!({"person": ["cannot be added to a cadence"]})
    );

    let mild = salesloft_with(20, |options| {
        let switches = &mut options.salesloft.switches;
        switches.unknown_enrolment_not_found = true;
        switches.drafts_take_people = true;
        switches.repeated_enrolment_accepted = true;
        switches.forbidden_enrolment_removed = true;
    });
    let (person, cadence) = pair(&mild);
    let draft = imported(&mild);
    assert_eq!(enrol(&mild, "999999", &cadence).status, 404);
    let staged = done(&enrol(&mild, &person, &draft));
    assert_eq!(staged["current_state"], "staged");
    assert_eq!(done(&enrol(&mild, &person, &draft))["id"], staged["id"]);
    assert_eq!(enrol(&mild, &person, &archived).status, 422);
    let mute = json!({"email_address": "mute@nordvik.example", "do_not_contact": true});
    let mute = id(&done(&post(&mild, "people", &mute)));
    let removed = done(&enrol(&mild, &mute, &cadence));
    assert_eq!(removed["currently_on_cadence"], false);
}

#[test]
fn somebody_elses_own_cadence_and_a_second_cadence_are_refused() {
    let sim = salesloft_with(20, |options| {
        options.salesloft.one_cadence_per_person = true;
    });
    let (person, cadence) = pair(&sim);
    let mira = sim.read(0, |team| team.user_ids()[4].clone());
    let address = done(&get(&sim, &format!("users/{mira}")))["email"].clone();
    let mut body = whole();
    body["settings"]["cadence_owner"] = address;
    body["sharing_settings"] = json!({"team_cadence": false, "shared": false});
    let hers = done(&import(&sim, &body))["cadence"]["id"].to_string();
    sim.edit(0, |team| team.set_sequence_active(&hers, true))
        .unwrap();
    assert_eq!(enrol(&sim, &person, &hers).status, 403);
    let fields = json!({"person_id": person, "cadence_id": hers, "user_id": mira});
    let made = done(&post(&sim, "cadence_memberships", &fields));
    assert_eq!(made["user"]["id"].to_string(), mira);
    assert_eq!(enrol(&sim, &person, &cadence).status, 422);
}

#[test]
fn a_membership_can_begin_at_a_step_and_complete_a_task() {
    let sim = salesloft(20);
    let (person, cadence) = pair(&sim);
    let step = id(&records(&sim, &format!("steps?cadence_id={cadence}"))[0]);
    let user = sim.read(0, |team| team.user_ids()[0].clone());
    let task = json!({
        "subject": "Call", "person_id": person, "user_id": user, "task_type": "general",
        "due_date": "2026-03-01", "current_state": "scheduled",
    });
    let task = id(&done(&post(&sim, "tasks", &task)));
    let fields =
        json!({"person_id": person, "cadence_id": cadence, "step_id": step, "task_id": task});
    let made = done(&post(&sim, "cadence_memberships", &fields));
    assert_eq!(made["step"]["id"].to_string(), step);
    assert_eq!(
        done(&get(&sim, &format!("tasks/{task}")))["current_state"],
        "completed"
    );
    let actions = records(&sim, &format!("actions?person_id={person}"));
    assert_eq!(actions[0]["step"]["id"].to_string(), step);
    let wrong = json!({"person_id": person, "cadence_id": cadence, "step_id": 999_999});
    assert_eq!(
        refusal(&post(&sim, "cadence_memberships", &wrong), "step").0,
        422
    );
}
