//! Lists as CSV, and results as CSV.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    charges,
    jobs::{JOBS, job_of},
    with_people,
};
use crate::support::{Answer, App, CUSTOMER, on_both_databases};

async fn post_csv(app: &App, query: &str, text: impl Into<reqwest::Body>) -> Answer {
    let request = app
        .request(Method::POST, &format!("{JOBS}{query}"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .header("content-type", "text/csv; charset=utf-8")
        .body(text);
    App::answer(request).await
}

async fn results(app: &App, job: &Value) -> String {
    let path = format!("{JOBS}/{}/results?format=csv", job["id"].as_str().unwrap());
    let request = app
        .request(Method::GET, &path)
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo");
    let response = request.send().await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8"
    );
    response.text().await.unwrap()
}

#[apply(on_both_databases)]
async fn a_csv_list_comes_back_with_its_own_columns_and_what_is_known_beside_them(
    database: Database,
) {
    let app = with_people(database, 2).await;
    let list = "\u{feff}Email,Notes,ref\r\n\
                person0@heron.example,\"two\r\nlines, \"\"quoted\"\"\",a\r\n\
                wrong,,b\r\n\
                person1@heron.example,=1+1,c\r\n\
                nobody@nowhere.example,,d\r\n";
    let job = post_csv(&app, "?max_credits=10", list).await.ok();
    assert_eq!(
        (
            &job["total"],
            &job["failed"],
            &job["max_credits"],
            &job["wrong"]
        ),
        (
            &json!(4),
            &json!(1),
            &json!(10),
            &json!([{"position": 2, "line": 4, "error": "email: must be an e-mail address"}])
        )
    );
    app.enrich().await;
    let file = results(&app, &job).await;
    let lines: Vec<&str> = file.lines().collect();
    assert!(
        lines[0].starts_with("Email,Notes,ref,enriched_status,enriched_error,"),
        "{file}"
    );
    assert!(
        file.contains("person0@heron.example,\"two\r\nlines, \"\"quoted\"\"\",a,matched,,false,")
    );
    assert!(file.contains("\nwrong,,b,failed,email: must be an e-mail address,false,"));
    assert!(file.contains("\nnobody@nowhere.example,,d,not_matched,,false,"));
    // A caller's own cells are left as they are.
    assert!(file.contains("\nperson1@heron.example,=1+1,c,matched,"));
    assert!(file.contains(",Heron Foods,heron.example,"));
}

#[apply(on_both_databases)]
async fn a_csv_list_of_companies_says_so_in_the_query(database: Database) {
    let app = with_people(database, 1).await;
    let job = post_csv(&app, "?kind=companies", "Website\nheron.example\n")
        .await
        .ok();
    app.enrich().await;
    assert_eq!(job_of(&app, &job).await["matched"], 1);
    let file = results(&app, &job).await;
    assert!(file.starts_with("Website,enriched_status,"), "{file}");
    assert!(
        file.contains("heron.example,matched,,false,Heron Foods,heron.example,"),
        "{file}"
    );
}

#[apply(on_both_databases)]
async fn a_file_that_is_no_list_is_refused_with_its_line(database: Database) {
    let app = with_people(database, 1).await;
    for (text, reason) in [
        ("", "no column has a name that is known"),
        ("email,x\na@b.example\n", "line 2 has 1 cells"),
        (
            "email\n\"a@b.example\nb@b.example\n",
            "line 2: a quotation mark is not closed",
        ),
    ] {
        let answer = post_csv(&app, "", text).await;
        assert_eq!(answer.status, 400, "{text}");
        assert!(answer.body.to_string().contains(reason), "{}", answer.body);
    }
    let answer = post_csv(&app, "?max_credits=x", "email\na@b.example\n").await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "max_credits"));
    let large = format!("email\n{}", "a@b.example,\n".repeat(500_000));
    assert_eq!(post_csv(&app, "", large).await.status, 413);
    assert_eq!(charges(&app), 0);
}

#[apply(on_both_databases)]
async fn ten_thousand_lines_come_back_complete_and_in_their_order(database: Database) {
    let app = with_people(database, 10).await;
    let lines = (0..10_000).map(|n| format!("person{}@heron.example,{n}\n", n % 10));
    let list = ["email,n\n".to_owned()].into_iter().chain(lines);
    let list: String = list.collect();
    let job = post_csv(&app, "", list).await.ok();
    app.enrich().await;
    let job = job_of(&app, &job).await;
    assert_eq!(
        (&job["state"], &job["matched"], &job["credits_spent"]),
        (&json!("succeeded"), &json!(10_000), &json!(10)),
        "{job}"
    );
    let file = results(&app, &job).await;
    let lines: Vec<&str> = file.lines().skip(1).collect();
    assert_eq!(lines.len(), 10_000);
    for (n, line) in lines.iter().enumerate() {
        let begin = format!("person{}@heron.example,{n},matched,", n % 10);
        assert!(line.starts_with(&begin), "{line}");
    }
}
