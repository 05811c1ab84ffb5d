//! Whatever input a caller sends, the answer is a 4xx in the error shape, and nothing is stored.

use macro_rules_attribute::apply;
use reqwest::{Method, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::refused;
use crate::support::{App, CUSTOMER, on_both_databases};

#[apply(on_both_databases)]
async fn a_body_that_is_not_the_json_that_is_asked_for_is_refused(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let good = r#"{"customer_id": "c", "name": "n", "email": "e"}"#;
    let deep = format!(r#"{{"a": {}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
    for body in [
        "",
        " ",
        "{",
        "not json",
        "[]",
        "{} {}",
        &deep,
        &good[..good.len() - 1],
        &good.replace('c', r"\ud800"),
        &good.replace('}', r#", "name": "again"}"#),
        &format!("{good}!"),
    ] {
        let request = app
            .request(Method::PUT, "/mgmt/v2/customers")
            .header("x-api-key", &app.api_key)
            .body(body.to_owned());
        refused(&App::answer(request).await, 400, "VALIDATION_ERROR");
    }
    let request = app
        .request(Method::PUT, "/mgmt/v2/customers")
        .header("x-api-key", &app.api_key)
        .body(&b"{\"name\": \"\xff\"}"[..]);
    refused(&App::answer(request).await, 400, "VALIDATION_ERROR");
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
    ] {
        let request = app
            .request(Method::PUT, "/mgmt/v2/customers")
            .header("x-api-key", &app.api_key)
            .header(header::CONTENT_TYPE, content_type)
            .body(good);
        refused(
            &App::answer(request).await,
            415,
            "UNSUPPORTED_MEDIA_TYPE_ERROR",
        );
    }
    assert_eq!(app.get("/mgmt/v2/customers").await.ok(), json!([]));
    for content_type in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.api+json",
    ] {
        let request = app
            .request(Method::PUT, "/mgmt/v2/customers")
            .header("x-api-key", &app.api_key)
            .header(header::CONTENT_TYPE, content_type)
            .body(good);
        App::answer(request).await.ok();
    }
}

#[apply(on_both_databases)]
async fn a_body_over_5_mb_is_refused(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let name = "n".repeat(5 * 1024 * 1024);
    let body = json!({"customer_id": "c", "name": name, "email": "e"});
    let answer = app.put("/mgmt/v2/customers", body).await;
    refused(&answer, 413, "PAYLOAD_TOO_LARGE_ERROR");
    assert_eq!(app.get("/mgmt/v2/customers").await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn an_unknown_path_or_method_is_refused_in_the_error_shape(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for path in [
        "/",
        "/mgmt",
        "/mgmt/v2",
        "/mgmt/v2/customers/",
        "/mgmt/v2/nothing",
        "/mgmt/v2/customers/c/connections/apollo/more",
        "/engagement/v2/deals",
        "/openapi/x.json",
    ] {
        refused(&app.get(path).await, 404, "NOT_FOUND_ERROR");
    }
    for (method, path) in [
        ("POST", "/mgmt/v2/customers"),
        ("PATCH", "/mgmt/v2/customers/c"),
        ("DELETE", "/mgmt/v2/syncs"),
        ("PUT", "/engagement/v2/contacts"),
        ("INVENTED", "/mgmt/v2/customers"),
        ("POST", "/healthz"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = app.send(method, path, None).await;
        refused(&answer, 405, "METHOD_NOT_ALLOWED_ERROR");
    }
}

#[apply(on_both_databases)]
async fn query_parameters_are_refused_by_name(database: Database) {
    let app = App::synced(database, 5).await;
    for list in [
        "/mgmt/v2/syncs",
        "/mgmt/v2/sync-runs",
        "/engagement/v2/contacts",
    ] {
        for (query, name) in [
            ("page_size=0", "page_size"),
            ("page_size=1001", "page_size"),
            ("page_size=-1", "page_size"),
            ("page_size=abc", "page_size"),
            ("page_size=1.5", "page_size"),
            ("page_size=99999999999999999999", "page_size"),
            ("page_size=", "page_size"),
            ("page_size", "page_size"),
            ("cursor=", "cursor"),
            ("colour=red", "colour"),
            ("cursor=x", "cursor"),
            ("cursor=%00", "cursor"),
            ("cursor=e30", "cursor"),
            ("cursor=%FF", "cursor"),
        ] {
            let answer = app.get(&format!("{list}?{query}")).await;
            assert_eq!(
                answer.error(),
                (400, "VALIDATION_ERROR", name),
                "{list}?{query}"
            );
            refused(&answer, 400, "VALIDATION_ERROR");
        }
        let answer = app.get(&format!("{list}?page_size=1&page_size=2")).await;
        refused(&answer, 400, "VALIDATION_ERROR");
    }
    let contacts = "/engagement/v2/contacts?read_from_cache=true";
    for (query, name) in [
        ("include_raw_data=1", "include_raw_data"),
        ("include_raw_data=TRUE", "include_raw_data"),
        ("include_deleted_data=x", "include_deleted_data"),
        ("modified_after=", "modified_after"),
        ("modified_after=yesterday", "modified_after"),
        ("modified_after=2026-01-01", "modified_after"),
        ("created_after=2026-01-01T00:00:00Z", "created_after"),
    ] {
        let answer = app.get(&format!("{contacts}&{query}")).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", name), "{query}");
    }
    let answer = app.get("/engagement/v2/contacts/x?page_size=1").await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "page_size"));
}

#[apply(on_both_databases)]
async fn a_cursor_works_on_its_own_list_only(database: Database) {
    let app = App::synced(database, 30).await;
    let next = |page: serde_json::Value| {
        page["next"]
            .as_str()
            .or(page["pagination"]["next"].as_str())
            .unwrap()
            .to_owned()
    };
    let modified = "modified_after=2026-01-01T00:00:00Z";
    let lists = [
        "/mgmt/v2/syncs?page_size=1".to_owned(),
        "/mgmt/v2/sync-runs?page_size=1".to_owned(),
        "/engagement/v2/contacts?read_from_cache=true&page_size=1".to_owned(),
        "/engagement/v2/users?read_from_cache=true&page_size=1".to_owned(),
        format!("/engagement/v2/contacts?read_from_cache=true&page_size=1&{modified}"),
    ];
    for list in &lists {
        let cursor = next(app.get(list).await.ok());
        for other in &lists {
            let answer = app.get(&format!("{other}&cursor={cursor}")).await;
            if list == other {
                answer.ok();
            } else {
                assert_eq!(
                    answer.error(),
                    (400, "VALIDATION_ERROR", "cursor"),
                    "{list} {other}"
                );
            }
        }
    }
}

#[apply(on_both_databases)]
async fn nul_and_broken_utf_8_are_never_our_failure(database: Database) {
    let app = App::synced(database, 5).await;
    let long = "x".repeat(20_000);
    for odd in [
        "%00",
        "a%00b",
        "%FF",
        "%C3%28",
        "%ED%A0%80",
        "%zz",
        "%",
        &long,
    ] {
        for path in [
            format!("/mgmt/v2/customers/{odd}"),
            format!("/mgmt/v2/customers/{odd}/connections"),
            format!("/mgmt/v2/customers/{odd}/connections/apollo"),
            format!("/mgmt/v2/customers/{CUSTOMER}/connections/{odd}"),
            format!("/mgmt/v2/providers/{odd}"),
            format!("/mgmt/v2/destinations/{odd}"),
            format!("/mgmt/v2/sync_configs/{odd}"),
            format!("/mgmt/v2/sync-runs/{odd}"),
            format!("/mgmt/v2/sync_runs/{odd}"),
            format!("/engagement/v2/contacts/{odd}?read_from_cache=true"),
            format!("/engagement/v2/sequence_states/{odd}?read_from_cache=true"),
        ] {
            let status = raw(&app, "GET", &path).await;
            assert!([400, 404].contains(&status), "{status} for {path}");
        }
        for path in [
            format!("/mgmt/v2/customers/{odd}"),
            format!("/mgmt/v2/customers/{odd}/connections/apollo"),
            format!("/mgmt/v2/providers/{odd}"),
            format!("/mgmt/v2/magic_links/{odd}"),
            format!("/mgmt/v2/sync_configs/{odd}"),
        ] {
            let status = raw(&app, "DELETE", &path).await;
            assert!([400, 404].contains(&status), "{status} for DELETE {path}");
        }
        for query in [
            "/mgmt/v2/syncs?customer_id=",
            "/mgmt/v2/syncs?provider_name=",
            "/mgmt/v2/syncs?object_type=common&object=",
            "/mgmt/v2/sync-runs?customer_id=",
            "/mgmt/v2/sync-runs?provider_name=",
            "/mgmt/v2/sync-runs?object=",
            "/mgmt/v2/sync-runs?status=",
            "/mgmt/v2/sync-runs?start_timestamp=%3E",
            "/mgmt/v2/syncs?cursor=",
            "/engagement/v2/users?read_from_cache=true&cursor=",
            "/engagement/v2/users?read_from_cache=true&modified_after=",
            "/mgmt/v2/syncs?",
        ] {
            let path = format!("{query}{odd}");
            let answer = raw(&app, "GET", &path).await;
            assert!(answer < 500, "{answer} for {path}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_forged_cursor_is_never_our_failure(database: Database) {
    let app = App::synced(database, 5).await;
    let after = "2026-01-01T00:00:00Z";
    let millis = chrono::DateTime::parse_from_rfc3339(after)
        .unwrap()
        .timestamp_millis();
    for time in [
        i64::MIN,
        -8_000_000_000_000_000,
        -62_200_000_000_000,
        -1,
        i64::MAX,
        8_000_000_000_000_000,
    ] {
        for (until, at) in [(time, millis), (millis, time)] {
            let cursor = base64url(
                &json!({"object": "user", "id": "x", "reverse": false,
                    "total": 1, "modified": {"after": millis, "until": until, "at": at}})
                .to_string(),
            );
            let path = format!(
                "/engagement/v2/users?read_from_cache=true&modified_after={after}&cursor={cursor}"
            );
            assert!(app.get(&path).await.status.as_u16() < 500, "{until} {at}");
        }
    }
    for (list, field) in [
        ("/mgmt/v2/syncs", "syncs"),
        ("/mgmt/v2/sync-runs", "sync_runs"),
    ] {
        for id in [json!("\0"), json!(7), json!(null), json!("x".repeat(9000))] {
            let cursor = json!({"list": field, "id": id, "reverse": true}).to_string();
            let path = format!("{list}?cursor={}", base64url(&cursor));
            assert!(app.get(&path).await.status.as_u16() < 500, "{cursor}");
        }
    }
    let cursor = json!({"object": "user", "id": "\0", "reverse": false, "total": 1}).to_string();
    let path = format!(
        "/engagement/v2/users?read_from_cache=true&cursor={}",
        base64url(&cursor)
    );
    assert_eq!(
        app.get(&path).await.error(),
        (400, "VALIDATION_ERROR", "cursor")
    );
    for time in [
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1969-12-31T23:59:59.999999999Z",
    ] {
        let path = format!("/engagement/v2/users?read_from_cache=true&modified_after={time}");
        app.get(&path).await.ok();
    }
    let path = "/engagement/v2/users?read_from_cache=true&modified_after=9999-12-31T23:59:59-23:59";
    assert_eq!(
        app.get(path).await.error(),
        (400, "VALIDATION_ERROR", "modified_after")
    );
}

/// The status of a request whose target is sent unchanged, which no client library would do.
async fn raw(app: &App, method: &str, target: &str) -> u16 {
    let url = app.request(Method::GET, "/").build().unwrap().url().clone();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let key = &app.api_key;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\nconnection: close\r\n\
         x-customer-id: {CUSTOMER}\r\nx-provider-name: apollo\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
    if status >= 400 {
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(
            body.starts_with("{\"errors\":[{\"id\":"),
            "{method} {target}: {answer}"
        );
    }
    status
}

/// Without padding.
fn base64url(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0; 2])
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..=chunk.len() {
            out.push(char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]));
        }
    }
    out
}
