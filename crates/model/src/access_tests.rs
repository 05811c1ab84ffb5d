//! What keys may do under their rules.

use super::*;

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn passthrough(rules: &[&str]) -> Policy {
    Policy {
        passthrough: rules.iter().map(|text| rule(text)).collect(),
        ..Policy::default()
    }
}

fn key(role: Role, policy: Option<Policy>) -> ApiKey {
    ApiKey {
        id: String::new(),
        application_id: String::new(),
        name: String::new(),
        role,
        policy,
        grants: None,
        created_at: Time::UNIX_EPOCH,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

#[test]
fn nothing_is_allowed_that_no_rule_names() {
    let policy = passthrough(&["GET,POST /v1/contacts/*", "* /v1/tasks/**"]);
    for (method, path, allowed) in [
        ("POST", "/v1/contacts/search", true),
        ("GET", "/v1/contacts/1", true),
        ("HEAD", "/v1/contacts/1", true),
        ("PATCH", "/v1/contacts/1", false),
        ("get", "/v1/contacts/1", true),
        ("POST", "/v1/contacts", false),
        ("POST", "/v1/contacts/1/notes", false),
        ("POST", "/v1/contacts/", false),
        ("POST", "/v1/contactsearch", false),
        ("POST", "/v1", false),
        ("POST", "", false),
        ("DELETE", "/v1/tasks", true),
        ("OPTIONS", "/v1/tasks/1/2/3", true),
        ("DELETE", "/v1/task", false),
        ("POST", "/v1/people/match", false),
    ] {
        let found = policy.allows_passthrough(method, &plain(path));
        assert_eq!(found, allowed, "{method} {path}");
    }
    assert!(!Policy::default().allows_passthrough("GET", "v1/contacts"));
    assert!(!Policy::default().allows_write("POST", &["engagement", "v2", "contacts"]));
}

#[test]
fn a_path_has_one_spelling() {
    for path in [
        "/v1/people/match",
        "v1/people/match/",
        "/api/v1/people/match",
        "/API/V1/People/Match.JSON",
        "/v1/people/match.json",
        "/v1/people/match.json/",
    ] {
        assert_eq!(plain(path), "v1/people/match", "{path}");
    }
    assert_eq!(plain("/api/people"), "api/people");
    assert_eq!(plain("/"), "");
    let policy = passthrough(&["POST /API/v1/Contacts/Search.json"]);
    assert!(policy.allows_passthrough("POST", &plain("/v1/contacts/search")));
}

#[test]
fn a_rule_that_makes_no_sense_says_what_would() {
    for text in [
        "POST",
        "/v1/contacts",
        "FETCH /v1",
        "POST v1/contacts",
        "POST /v1/con*",
        "POST /v1/**/search",
        "POST /v1//search",
        "POST /v1/../search",
        "POST /v1/%6Datch",
        "POST /v1/a?b=c",
        "POST /v1/a;b",
        ", /v1",
    ] {
        assert!(text.parse::<Rule>().is_err(), "{text}");
    }
    let elsewhere = Policy {
        writes: vec![rule("POST /v1/contacts")],
        ..Policy::default()
    };
    let error = elsewhere.check().unwrap_err();
    assert_eq!(error.field, "writes[0].path");
    let many = Policy {
        passthrough: vec![rule("GET /a"); 101],
        ..Policy::default()
    };
    assert_eq!(many.check().unwrap_err().field, "passthrough");
}

#[test]
fn a_role_without_a_policy_has_its_own_rules() {
    assert!(key(Role::Admin, None).effective_policy().is_unlimited());
    for role in Role::ALL {
        let key = key(*role, None);
        let by_rules = key.effective_policy().is_unlimited();
        assert_eq!(key.is_unlimited(), by_rules, "{role:?}");
    }
    let held = key(Role::Admin, Some(Policy::default()));
    assert!(!held.is_unlimited());
    let passing = key(Role::Passthrough, None);
    let policy = passing.effective_policy();
    assert!(policy.allows_passthrough("DELETE", "v1/anything"));
    assert!(!policy.credits && !policy.is_unlimited());
    assert!(!policy.allows_write("PUT", &["mgmt", "v2", "customers"]));
    assert_eq!(
        *key(Role::ReadOnly, None).effective_policy(),
        Policy::default()
    );
    // A policy narrows an admin as well.
    let narrow = key(Role::Admin, Some(passthrough(&["GET /v1/users"])));
    assert!(
        !narrow
            .effective_policy()
            .allows_write("PUT", &["mgmt", "v2", "customers"])
    );
}

#[test]
fn no_key_makes_one_that_may_more() {
    let admin = key(Role::Admin, None);
    for role in Role::ALL {
        assert_eq!(admin.check_can_grant(*role, None, None), Ok(()));
    }
    let mut narrow = key(
        Role::Admin,
        Some(passthrough(&["GET,POST /v1/contacts/**"])),
    );
    for (text, allowed) in [
        ("POST /v1/contacts/search", true),
        ("HEAD /api/v1/contacts/*", true),
        ("GET /v1/contacts/*/**", true),
        ("GET,POST /v1/contacts/**", true),
        ("GET /v1/contacts", true),
        ("* /v1/contacts/**", false),
        ("PUT /v1/contacts/1", false),
        ("GET /v1/*/search", false),
        ("GET /v1/**", false),
        ("GET /**", false),
    ] {
        let policy = passthrough(&[text]);
        let found = narrow.check_can_grant(Role::Admin, Some(&policy), None);
        assert_eq!(found.is_ok(), allowed, "{text}");
    }
    assert_eq!(
        narrow.check_can_grant(Role::Passthrough, None, None),
        Err(GrantViolation::Policy)
    );
    assert_eq!(narrow.check_can_grant(Role::ReadOnly, None, None), Ok(()));
    let spending = Policy {
        credits: true,
        ..Policy::default()
    };
    let found = narrow.check_can_grant(Role::ReadOnly, Some(&spending), None);
    assert_eq!(found, Err(GrantViolation::Policy));
    let end = Time::UNIX_EPOCH;
    narrow.expires_at = Some(end);
    let later = Some(end + chrono::TimeDelta::seconds(1));
    for other in [None, later] {
        let found = narrow.check_can_grant(Role::ReadOnly, None, other);
        assert_eq!(found, Err(GrantViolation::Expiry(end)));
    }
    assert_eq!(
        narrow.check_can_grant(Role::ReadOnly, None, Some(end)),
        Ok(())
    );
    assert_eq!(
        key(Role::ReadOnly, None).check_can_grant(Role::Admin, None, None),
        Err(GrantViolation::Role)
    );
}
