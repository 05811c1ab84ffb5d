//! Lists as CSV, and results as CSV.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{
    charges,
    jobs::{JOBS, job_of},
    with_people,
};
use crate::support::{Answer, App, CUSTOMER, on_both_databases};

async fn post_csv(app: &App, query: &str, text: impl Into<reqwest::Body>) -> Answer {
    post_as(app, "text/csv; charset=utf-8", query, text).await
}

async fn post_as(
    app: &App,
    content_type: &str,
    query: &str,
    text: impl Into<reqwest::Body>,
) -> Answer {
    let request = app
        .request(Method::POST, &format!("{JOBS}{query}"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo")
        .header("content-type", content_type)
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

fn title(answer: &Answer) -> &str {
    answer.body["errors"][0]["title"].as_str().unwrap()
}

#[apply(on_both_databases)]
async fn a_column_whose_name_cannot_be_kept_is_refused_with_its_place(database: Database) {
    let app = with_people(database, 1).await;
    let long = "x".repeat(201);
    let many = (0..100).map(|n| format!(",{n}{}", "x".repeat(190)));
    let many: String = many.collect();
    for (names, reason) in [
        (
            format!(",{long}"),
            "body: line 1: the name of column 2 must not be longer than 200 characters",
        ),
        (
            ",a\0b".to_owned(),
            "body: line 1: the name of column 2 must not contain NUL or other control characters",
        ),
        (
            ",a,\u{1b}[1m".to_owned(),
            "body: line 1: the name of column 3 must not contain NUL or other control characters",
        ),
        (
            many,
            "body: line 1: the names of the columns must not be longer than 16384 bytes together",
        ),
    ] {
        let cells = ",".repeat(names.matches(',').count());
        let list = format!("email{names}\nperson0@heron.example{cells}\n");
        let answer = post_csv(&app, "", list).await;
        assert_eq!((answer.status.as_u16(), title(&answer)), (400, reason));
    }
    let longest = "é".repeat(200);
    let list = format!("email,{longest},\"two\nlines\"\nperson0@heron.example,1,2\n");
    let job = post_csv(&app, "", list).await.ok();
    let file = results(&app, &job).await;
    let first = format!("email,{longest},\"two\nlines\",enriched_status,");
    assert!(file.starts_with(&first), "{file}");
}

#[apply(on_both_databases)]
async fn a_formula_in_a_providers_words_is_text_in_the_file(database: Database) {
    let app = with_people(database, 2).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        let contact = json!({
            "first_name": "-2+3+cmd|' /C calc'!A0", "last_name": "+1+HYPERLINK(A1)",
            "title": "=1+1", "email": "formula@heron.example",
        });
        team.create_contact(now, &contact).unwrap();
    });
    let list = "email,note\nformula@heron.example,=own\n";
    let job = post_csv(&app, "", list).await.ok();
    app.enrich().await;
    let file = results(&app, &job).await;
    assert!(
        file.contains("\nformula@heron.example,=own,matched,"),
        "{file}"
    );
    for cell in [
        ",'-2+3+cmd|' /C calc'!A0,",
        ",'+1+HYPERLINK(A1),",
        ",'=1+1,",
    ] {
        assert!(file.contains(cell), "{cell}: {file}");
    }
}

#[apply(on_both_databases)]
async fn a_formula_in_a_providers_error_is_text_in_the_file(database: Database) {
    let app = with_people(database, 1).await;
    let refusal = Action::Answer {
        status: 400,
        content_type: "application/json".to_owned(),
        body: r#"{"error_message":"=details[0] is odd"}"#.to_owned(),
    };
    let fault = Fault::new(Match::path("bulk_match"), refusal);
    app.apollo.faults().push(fault.times(2));
    let job = post_csv(&app, "", "email\nperson0@heron.example\n").await;
    let job = job.ok();
    app.enrich().await;
    let file = results(&app, &job).await;
    assert!(
        file.contains("\nperson0@heron.example,failed,'=details[0] is odd,false,"),
        "{file}"
    );
}

#[apply(on_both_databases)]
async fn a_cell_with_inches_is_no_open_quotation(database: Database) {
    let app = with_people(database, 1).await;
    let list = "email,note,size\nperson0@heron.example,\"a\nb\",5\" tv\n";
    let job = post_csv(&app, "", list).await.ok();
    assert_eq!(job["total"], 1);
    let file = results(&app, &job).await;
    assert!(
        file.contains("\nperson0@heron.example,\"a\nb\",\"5\"\" tv\","),
        "{file}"
    );
    // A quotation that is open is told with the line that it begins at.
    let open = "email,note\nperson0@heron.example,5\"\nperson0@heron.example,\"a\nb\n";
    let answer = post_csv(&app, "", open).await;
    assert_eq!(
        (answer.status.as_u16(), title(&answer)),
        (400, "body: line 3: a quotation mark is not closed")
    );
}

#[apply(on_both_databases)]
async fn the_separator_is_known_beside_others_in_quotes_and_from_excels_first_line(
    database: Database,
) {
    let app = with_people(database, 1).await;
    let quoted = "\"a;b;c\",email\n1,person0@heron.example\n";
    let told = "\u{feff}sep=;\r\nemail;a,b,c\r\nperson0@heron.example;1\r\n";
    let unusual = "SEP=|\nemail|x\nperson0@heron.example|1\n";
    for list in [quoted, told, unusual] {
        let job = post_csv(&app, "", list).await.ok();
        assert_eq!((&job["total"], &job["failed"]), (&json!(1), &json!(0)));
    }
    let list = "sep=;\r\nemail;x\r\nperson0@heron.example;1\r\nwrong;2\r\n";
    let job = post_csv(&app, "", list).await.ok();
    assert_eq!(job["wrong"][0]["line"], 4);
    let short = "sep=;\r\nemail;x\r\nperson0@heron.example\r\n";
    let answer = post_csv(&app, "", short).await;
    assert_eq!(
        title(&answer),
        "body: line 3 has 1 cells, and the first line has 2"
    );
}

#[apply(on_both_databases)]
async fn a_list_in_another_charset_or_form_is_refused_with_those_that_work(database: Database) {
    let app = with_people(database, 1).await;
    let list = "email\nperson0@heron.example\n";
    for (content_type, reason) in [
        (
            "text/csv;charset=iso-8859-1",
            "Content-Type must be text/csv; charset=utf-8, not iso-8859-1",
        ),
        (
            "text/csv; header=present; Charset=\"windows-1252\"",
            "Content-Type must be text/csv; charset=utf-8, not windows-1252",
        ),
        (
            "text/plain",
            "Content-Type must be application/json or text/csv",
        ),
    ] {
        let answer = post_as(&app, content_type, "", list).await;
        assert_eq!(answer.status, 415, "{content_type}");
        let code = &answer.body["errors"][0]["code"];
        assert_eq!(code, "UNSUPPORTED_MEDIA_TYPE_ERROR");
        assert!(title(&answer).starts_with(reason), "{}", answer.body);
    }
    for content_type in [
        "text/csv",
        "text/csv; charset=\"UTF-8\"",
        "text/csv;charset=us-ascii",
    ] {
        post_as(&app, content_type, "", list).await.ok();
    }
}

#[apply(on_both_databases)]
async fn a_wrong_option_is_refused_in_plain_words(database: Database) {
    let app = with_people(database, 1).await;
    let list = "email\nperson0@heron.example\n";
    for option in ["max_credits", "reuse_days"] {
        for value in ["x", "-1", "1.5", "4294967296"] {
            let answer = post_csv(&app, &format!("?{option}={value}"), list).await;
            let reason = format!("{option}: must be a whole number from 0 to 4294967295");
            assert_eq!(
                (answer.status.as_u16(), title(&answer)),
                (400, reason.as_str())
            );
        }
    }
    let people = json!([{"email": "person0@heron.example"}]);
    for (list, reason) in [
        (
            json!({"people": people, "max_credits": "x"}),
            "max_credits: invalid type: string \"x\", expected a whole number from 0",
        ),
        (
            json!({"people": people, "reuse_days": -1}),
            "reuse_days: invalid value: integer `-1`, expected a whole number from 0",
        ),
        (
            json!({"people": ["a@b.example"]}),
            "people[0]: invalid type: string \"a@b.example\", expected an object with fields",
        ),
    ] {
        let answer = app.post(JOBS, list).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(title(&answer).starts_with(reason), "{}", answer.body);
    }
}
