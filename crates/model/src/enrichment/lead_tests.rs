use super::*;

fn lead(fields: &[(&str, &str)]) -> Lead {
    let mut lead = Lead::default();
    for (name, value) in fields {
        *lead.field(name).unwrap() = Some((*value).to_owned());
    }
    lead
}

fn person(fields: &[(&str, &str)]) -> Result<Lead, String> {
    lead(fields)
        .checked(Kind::People)
        .map_err(|it| it.to_string())
}

#[test]
fn whoever_can_be_found_is_asked_about() {
    for fields in [
        &[("email", "ines@heron.example")][..],
        &[("id", "64a7ff0cc4dfae00013df1a5")],
        &[("linkedin_url", "http://linkedin.com/in/ines-heron/?trk=x")],
        &[("name", "Ines Heron"), ("domain", "heron.example")],
        &[
            ("first_name", "Ines"),
            ("last_name", "Heron"),
            ("organization_name", "Heron Foods"),
        ],
    ] {
        assert!(person(fields).is_ok(), "{fields:?}");
    }
}

#[test]
fn whoever_cannot_be_found_is_told_what_is_missing() {
    for (fields, field) in [
        (&[][..], "email"),
        (&[("first_name", "Ines")], "email"),
        (&[("name", "Ines Heron")], "domain"),
        (&[("email", "ines@")], "email"),
        (&[("email", "  ")], "email"),
        (
            &[("linkedin_url", "https://example.com/in/x")],
            "linkedin_url",
        ),
        (&[("linkedin_url", "linkedin.com/")], "linkedin_url"),
        (&[("name", "Ines"), ("domain", "not a domain")], "domain"),
        (&[("email", "a\u{7}b@heron.example")], "email"),
    ] {
        let error = person(fields).unwrap_err();
        assert!(error.starts_with(field), "{fields:?}: {error}");
    }
    let long = "a".repeat(LONGEST + 1);
    let error = person(&[("name", &long)]).unwrap_err();
    assert_eq!(error, "name: must have at most 255 characters");
    let company = lead(&[("name", "Heron Foods")]).checked(Kind::Companies);
    assert_eq!(company.unwrap_err().field, "domain");
}

#[test]
fn the_same_person_spelled_otherwise_is_the_same_question() {
    let question = |fields| {
        let lead = lead(fields).checked(Kind::People).unwrap();
        lead.question(Kind::People, &MatchOptions::default())
    };
    assert_eq!(
        question(&[("email", " Ines@Heron.example ")]),
        question(&[("email", "ines@heron.example")])
    );
    assert_eq!(
        question(&[
            ("name", "INES  Heron"),
            ("domain", "https://www.Heron.example/x")
        ]),
        question(&[("name", "Ines Heron"), ("domain", "heron.example")])
    );
    assert_eq!(
        question(&[("linkedin_url", "linkedin.com/in/ines-heron/")]),
        question(&[("linkedin_url", "https://de.linkedin.com/in/ines-heron?x=1")])
    );
    assert_ne!(
        question(&[("email", "ines@heron.example")]),
        question(&[("email", "ines@heron.example"), ("name", "Ines")])
    );
}

#[test]
fn asking_for_more_is_another_question() {
    let lead = lead(&[("email", "ines@heron.example")]);
    let plain = lead.question(Kind::People, &MatchOptions::default());
    let phones = MatchOptions {
        reveal_phone_number: true,
        ..MatchOptions::default()
    };
    assert_ne!(plain, lead.question(Kind::People, &phones));
}

#[test]
fn a_company_is_its_domain() {
    let company = |fields| {
        let lead = lead(fields).checked(Kind::Companies).unwrap();
        lead.question(Kind::Companies, &MatchOptions::default())
    };
    assert_eq!(
        company(&[("domain", "HERON.example"), ("organization_name", "Heron")]),
        company(&[("domain", "heron.example")])
    );
}

#[test]
fn a_profile_is_the_same_however_its_address_is_spelled() {
    let question = |url: &str| {
        let lead = person(&[("linkedin_url", url)]).unwrap();
        lead.question(Kind::People, &MatchOptions::default())
    };
    let one = question("https://www.linkedin.com/in/ines-heron");
    for other in [
        "http://linkedin.com/in/Ines-Heron/",
        "de.linkedin.com//in/ines-heron?trk=x",
        "https://www.linkedin.com:443/in/ines-heron/#top",
    ] {
        assert_eq!(question(other), one, "{other}");
    }
}

#[test]
fn what_is_told_of_people_makes_no_other_question_of_a_company() {
    let company = lead(&[("domain", "heron.example")]);
    let company = company.checked(Kind::Companies).unwrap();
    let options = MatchOptions {
        reveal_personal_emails: true,
        ..MatchOptions::default()
    };
    assert_eq!(
        company.question(Kind::Companies, &options),
        company.question(Kind::Companies, &MatchOptions::default())
    );
}
