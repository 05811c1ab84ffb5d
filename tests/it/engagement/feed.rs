//! The change feed: docs/guarantees.md, section 15.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_model::{FeedPosition, Object};
use syncline_store::ChangeQuery;

use super::{LISTS, created, gets::id};
use crate::support::{
    App, CUSTOMER, Delivery, MASTER_KEY, Receiver, explaining, on_both_databases, reads_of_history,
};

const CHANGES: &str = "/engagement/v2/changes";

/// A reader of the feed, with its copy of the records.
#[derive(Default)]
pub(crate) struct Reader {
    cursor: Option<String>,
    /// By object and id.
    pub(crate) copy: BTreeMap<(String, String), Value>,
}

impl Reader {
    /// One request. Returns the changes, and whether there are more.
    pub(crate) async fn read(&mut self, app: &App, parameters: &str) -> (Vec<Value>, bool) {
        let cursor = self.cursor.iter().map(|cursor| format!("&cursor={cursor}"));
        let path = format!("{CHANGES}?{parameters}{}", cursor.collect::<String>());
        let page = app.get(&path).await.ok();
        self.take(&page)
    }

    pub(crate) fn take(&mut self, page: &Value) -> (Vec<Value>, bool) {
        self.cursor = Some(page["next_cursor"].as_str().unwrap().to_owned());
        let changes = page["changes"].as_array().unwrap().clone();
        for change in &changes {
            let object = change["object"].as_str().unwrap().to_owned();
            self.copy
                .insert((object, text(change, "id")), change["record"].clone());
        }
        (changes, page["has_more"].as_bool().unwrap())
    }

    /// Up to the end of the feed.
    pub(crate) async fn read_all(&mut self, app: &App, parameters: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let (changes, more) = self.read(app, parameters).await;
            all.extend(changes);
            if !more {
                return all;
            }
        }
    }
}

/// What the tables hold, deleted rows included.
pub(crate) async fn tables(app: &App) -> BTreeMap<(String, String), Value> {
    let mut tables = BTreeMap::new();
    for (list, object) in LISTS {
        let path = format!("{list}?include_deleted_data=true");
        for row in app.all_records(&path).await {
            tables.insert((object.to_owned(), id(&row)), row);
        }
    }
    tables
}

fn text(change: &Value, field: &str) -> String {
    change[field].as_str().unwrap().to_owned()
}

/// Object, id and kind of each change.
fn told(changes: &[Value]) -> Vec<(String, String, String)> {
    let of = |change| {
        (
            text(change, "object"),
            text(change, "id"),
            text(change, "kind"),
        )
    };
    changes.iter().map(of).collect()
}

fn payloads(receiver: &Receiver) -> Vec<Value> {
    receiver.received().iter().map(Delivery::payload).collect()
}

fn set_title(app: &App, nth: usize, title: &str) -> String {
    let now = app.now();
    app.apollo.edit(0, |team| {
        let id = team.contact_ids()[nth].clone();
        team.update_contact(now, &id, &json!({"title": title}))
            .unwrap();
        id
    })
}

#[apply(on_both_databases)]
async fn the_feed_begins_with_all_that_there_is_in_one_order(database: Database) {
    let app = App::synced(database, 60).await;
    let mut reader = Reader::default();
    let changes = reader.read_all(&app, "limit=7").await;
    assert_eq!(reader.copy, tables(&app).await);
    assert_eq!(changes.len(), reader.copy.len(), "a record came twice");
    for change in &changes {
        let is_deleted = change["record"]["is_deleted"] == true;
        assert_eq!(
            change["kind"],
            if is_deleted { "deleted" } else { "created" }
        );
    }
    let times: Vec<String> = changes.iter().map(|it| text(it, "changed_at")).collect();
    assert!(times.is_sorted());
    // The place of a change doesn't depend on how it is read.
    let again = Reader::default().read_all(&app, "limit=1000").await;
    assert_eq!(told(&again), told(&changes));
    assert_eq!(reader.read_all(&app, "limit=7").await, Vec::<Value>::new());
}

#[apply(on_both_databases)]
async fn a_change_tells_what_happened_to_its_record(database: Database) {
    let app = App::synced(database, 20).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let user = id(&app.all_records("users").await[0]);
    let updated = set_title(&app, 3, "Astronaut");
    let now = app.now();
    let created = app.apollo.edit(0, |team| {
        team.remove_user(&user).unwrap();
        team.invent_contact(now)
    });
    app.after(TimeDelta::hours(1)).await;
    let mut changes = told(&reader.read_all(&app, "objects=user,contact").await);
    changes.sort();
    let of =
        |object: &str, id: &str, kind: &str| (object.to_owned(), id.to_owned(), kind.to_owned());
    let mut expected = vec![
        of("contact", &updated, "updated"),
        of("contact", &created, "created"),
        of("user", &user, "deleted"),
    ];
    expected.sort();
    assert_eq!(changes, expected);
    app.apollo.edit(0, |team| team.restore_user(&user).unwrap());
    app.after(TimeDelta::hours(1)).await;
    let changes = told(&reader.read_all(&app, "objects=user,contact").await);
    assert_eq!(changes, [of("user", &user, "restored")]);
}

#[apply(on_both_databases)]
async fn a_record_that_changed_several_times_comes_once_in_its_newest_state(database: Database) {
    let app = App::synced(database, 20).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    for title in ["Astronaut", "Diver", "Gardener"] {
        set_title(&app, 3, title);
        set_title(&app, 5, title);
        app.after(TimeDelta::hours(1)).await;
    }
    let changes = reader.read_all(&app, "objects=contact&limit=1").await;
    assert_eq!(changes.len(), 2, "{changes:#?}");
    for change in changes {
        assert_eq!(change["record"]["job_title"], "Gardener");
    }
}

#[apply(on_both_databases)]
async fn a_record_that_is_new_to_the_reader_is_called_created(database: Database) {
    let app = App::synced(database, 20).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let now = app.now();
    let created: Vec<String> = app
        .apollo
        .edit(0, |team| (0..4).map(|_| team.invent_contact(now)).collect());
    app.after(TimeDelta::hours(1)).await;
    // Two are read, and meanwhile the others change once more.
    let (first, more) = reader.read(&app, "objects=contact&limit=2").await;
    assert!(more);
    let read: Vec<String> = first.iter().map(|change| text(change, "id")).collect();
    app.apollo.edit(0, |team| {
        for id in created.iter().filter(|id| !read.contains(id)) {
            team.update_contact(now, id, &json!({"title": "Diver"}))
                .unwrap();
        }
    });
    app.after(TimeDelta::hours(1)).await;
    let rest = reader.read_all(&app, "objects=contact&limit=2").await;
    assert_eq!(rest.len(), 2);
    for change in rest {
        assert_eq!(change["kind"], "created");
        assert_eq!(change["record"]["job_title"], "Diver");
    }
}

#[apply(on_both_databases)]
async fn what_was_written_through_the_api_is_in_the_feed_at_once(database: Database) {
    let app = App::synced(database, 20).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let body = json!({"record": {"first_name": "Ada", "last_name": "Byron",
        "email_addresses": [{"email_address": "ada@engine.example"}]}});
    let contact = created(&app.post("/engagement/v2/contacts", body).await);
    let changes = told(&reader.read_all(&app, "objects=contact").await);
    let expected = ("contact".to_owned(), contact, "created".to_owned());
    assert_eq!(changes, [expected]);
}

#[apply(on_both_databases)]
async fn a_cursor_of_before_is_gone_and_says_how_to_start_over(database: Database) {
    let app = App::synced(database, 10).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let path = format!("{CHANGES}?cursor={}", reader.cursor.clone().unwrap());
    app.get(&path).await.ok();
    app.store.restamp().await.unwrap();
    let restored = app.get(&path).await;
    assert_eq!(restored.status, 410);
    let title = restored.body["errors"][0]["title"].as_str().unwrap();
    assert!(title.contains("restored") && title.contains("start over without a cursor"));
    let mut reader = Reader::default();
    assert_eq!(
        reader.read_all(&app, "").await.len(),
        tables(&app).await.len()
    );

    let path = format!("{CHANGES}?cursor={}", reader.cursor.clone().unwrap());
    app.get(&path).await.ok();
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"))
        .await;
    app.post_connection(CUSTOMER, MASTER_KEY).await.ok();
    let reconnected = app.get(&path).await;
    assert_eq!(reconnected.status, 410, "{}", reconnected.body);
}

#[apply(on_both_databases)]
async fn a_cursor_of_another_customer_is_gone(database: Database) {
    let app = App::synced(database, 10).await;
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let answer = App::answer(
        app.request(
            Method::GET,
            &format!("{CHANGES}?cursor={}", reader.cursor.unwrap()),
        )
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", "customer-2")
        .header("x-provider-name", "apollo"),
    )
    .await;
    assert_eq!(answer.status, 410);
}

#[apply(on_both_databases)]
async fn after_commits_were_lost_a_cursor_ahead_of_them_is_gone(database: Database) {
    let app = App::synced(database, 10).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    // As after a failover to a copy that was behind.
    app.database
        .execute("UPDATE change_feeds SET last_stamp_ms = last_stamp_ms - 5000")
        .await;
    let path = format!("{CHANGES}?cursor={}", reader.cursor.unwrap());
    assert_eq!(app.get(&path).await.status, 410);
}

#[apply(on_both_databases)]
async fn wrong_parameters_are_named(database: Database) {
    let app = App::synced(database, 5).await;
    let mut reader = Reader::default();
    reader.read(&app, "objects=user").await;
    let cursor = reader.cursor.unwrap();
    for (parameters, field) in [
        ("objects=deal".to_owned(), "objects"),
        ("limit=0".to_owned(), "limit"),
        ("limit=1001".to_owned(), "limit"),
        ("wait=26".to_owned(), "wait"),
        ("wait=soon".to_owned(), "wait"),
        ("cursor=nonsense".to_owned(), "cursor"),
        (format!("objects=contact&cursor={cursor}"), "objects"),
        (format!("cursor={cursor}"), "objects"),
        ("object=contact".to_owned(), "object"),
    ] {
        let answer = app.get(&format!("{CHANGES}?{parameters}")).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{parameters}"
        );
    }
    app.get(&format!("{CHANGES}?objects=user&cursor={cursor}"))
        .await
        .ok();
}

#[apply(on_both_databases)]
async fn an_empty_answer_can_be_held_back_until_something_commits(database: Database) {
    let app = App::synced(database, 10).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "objects=contact").await;
    let changed = set_title(&app, 2, "Astronaut");
    let (answer, ()) = tokio::join!(
        reader.read(&app, "objects=contact&wait=25"),
        app.after(TimeDelta::hours(1))
    );
    assert_eq!(answer.0.len(), 1);
    assert_eq!(text(&answer.0[0], "id"), changed);
    // Without a commit the answer is empty, with a cursor that goes on.
    let nothing = reader.read(&app, "objects=contact&wait=1").await;
    assert_eq!(nothing, (Vec::new(), false));
}

#[apply(on_both_databases)]
async fn readers_that_wait_leave_room_for_other_requests(database: Database) {
    let mut limits = crate::support::HttpLimits::default();
    limits.requests.concurrent_requests = 4;
    let app = App::with_limits(database, None, limits).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let mut first = Reader::default();
    first.read_all(&app, "").await;
    let cursor = first.cursor.clone().unwrap();
    let path = format!("{CHANGES}?wait=25&cursor={cursor}");
    let waiting = futures::future::join_all((0..20).map(|_| admitted(&app, &path)));
    let others = async {
        for _ in 0..20 {
            admitted(&app, "/mgmt/v2/customers").await;
        }
        set_title(&app, 2, "Astronaut");
        app.after(TimeDelta::hours(1)).await;
    };
    let (answers, ()) = tokio::join!(waiting, others);
    for answer in answers {
        assert!(!answer["changes"].as_array().unwrap().is_empty());
    }
}

/// Asks again as long as four others are at work.
async fn admitted(app: &App, path: &str) -> Value {
    loop {
        let answer = app.get(path).await;
        if answer.status != 503 {
            return answer.ok();
        }
    }
}

/// The events of a stream, as `(event, id, data)`.
async fn events(app: &App, last: Option<&str>, until: &str) -> Vec<(String, String, Value)> {
    let mut request = app
        .request(Method::GET, &format!("{CHANGES}/_stream?objects=contact"))
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains(until) {
        let more = response.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&more).unwrap());
    }
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_start().to_owned()
    };
    text.split("\n\n")
        .filter(|event| event.contains("event:"))
        .map(|event| {
            let data = serde_json::from_str(&field(event, "data:")).unwrap();
            (field(event, "event:"), field(event, "id:"), data)
        })
        .collect()
}

#[apply(on_both_databases)]
async fn a_stream_sends_what_the_list_has_and_goes_on_at_the_last_event(database: Database) {
    let app = App::synced(database, 12).await;
    let first = events(&app, None, "caught_up").await;
    let listed = Reader::default().read_all(&app, "objects=contact").await;
    let sent: Vec<Value> = first
        .iter()
        .filter(|(event, ..)| event == "change")
        .map(|(.., data)| data.clone())
        .collect();
    assert_eq!(told(&sent), told(&listed));
    for (event, id, data) in &first {
        assert!(!id.is_empty());
        if event == "change" {
            assert_eq!(data["cursor"], **id);
        }
    }
    // As if the connection had been lost after the fourth event.
    let rest = events(&app, Some(&first[3].1), "caught_up").await;
    assert_eq!(rest.len(), first.len() - 4);
    assert_eq!(rest[0].2["id"], first[4].2["id"]);
    // What commits while it is open is sent.
    let changed = set_title(&app, 2, "Astronaut");
    let caught_up = &first.last().unwrap().1;
    let (live, ()) = tokio::join!(
        events(&app, Some(caught_up), "Astronaut"),
        app.after(TimeDelta::hours(1))
    );
    let live = live.iter().find(|(event, ..)| event == "change").unwrap();
    assert_eq!(live.2["id"], *changed);
}

#[apply(on_both_databases)]
async fn a_stream_with_a_wrong_cursor_is_refused_before_it_begins(database: Database) {
    let app = App::synced(database, 5).await;
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    let path = |rest: &str| format!("{CHANGES}/_stream?{rest}");
    let answer = app.get(&path("cursor=nonsense")).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "cursor"));
    let answer = app.get(&path("wait=3")).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "wait"));
    app.store.restamp().await.unwrap();
    let answer = app
        .get(&path(&format!("cursor={}", reader.cursor.unwrap())))
        .await;
    assert_eq!(answer.status, 410);
}

#[apply(on_both_databases)]
async fn the_end_of_a_run_tells_the_cursor_from_before_it(database: Database) {
    let app = App::synced(database, 10).await;
    let receiver = Receiver::start().await;
    let body = json!({"url": receiver.url(), "event_types": ["sync.complete"]});
    app.post("/mgmt/v2/webhook_endpoints", body).await.ok();
    let mut edited = [set_title(&app, 2, "Astronaut"), set_title(&app, 7, "Diver")];
    app.clock.advance(TimeDelta::hours(1));
    app.work_off().await;
    app.deliver().await;
    let events = payloads(&receiver);
    let event = events.iter().find(|it| it["object"] == "contact").unwrap();
    let mut reader = Reader {
        cursor: Some(text(event, "cursor")),
        ..Reader::default()
    };
    let changes = reader.read_all(&app, "objects=contact").await;
    let mut ids: Vec<String> = changes.iter().map(|change| text(change, "id")).collect();
    ids.sort();
    edited.sort();
    assert_eq!(ids, edited);
    assert!(changes.iter().all(|change| change["kind"] == "updated"));
}

#[apply(on_both_databases)]
async fn an_endpoint_that_names_it_is_told_of_changes_at_most_every_ten_seconds(
    database: Database,
) {
    let app = App::synced(database, 10).await;
    let (named, unnamed) = (Receiver::start().await, Receiver::start().await);
    for (receiver, types) in [(&named, json!(["records.changed"])), (&unnamed, json!([]))] {
        let body = json!({"url": receiver.url(), "event_types": types});
        app.post("/mgmt/v2/webhook_endpoints", body).await.ok();
    }
    let contact = app.apollo.edit(0, |team| team.contact_ids()[0].clone());
    let write = async |title: &str| {
        let path = format!("/engagement/v2/contacts/{contact}");
        let body = json!({"record": {"job_title": title}});
        app.send(Method::PATCH, &path, Some(body)).await.ok();
        app.engine.tell_changes().await.unwrap()
    };
    let mut reader = Reader::default();
    reader.read_all(&app, "").await;
    assert_eq!(write("Astronaut").await, 1, "the first is told at once");
    app.clock.advance(TimeDelta::seconds(2));
    assert_eq!(write("Diver").await, 0);
    app.clock.advance(TimeDelta::seconds(7));
    assert_eq!(write("Gardener").await, 0);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.engine.tell_changes().await.unwrap(), 1);
    app.deliver().await;
    let events = payloads(&named);
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event["webhook_event_type"], "records.changed");
        assert_eq!(event["customer_id"], CUSTOMER);
        assert_eq!(event["changes"], json!({"contact": 1}));
        let mut reader = Reader {
            cursor: Some(text(event, "cursor")),
            ..Reader::default()
        };
        let changes = reader.read_all(&app, "").await;
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0]["record"]["job_title"], "Gardener");
    }
    assert!(
        payloads(&unnamed)
            .iter()
            .all(|event| event["webhook_event_type"] != "records.changed")
    );
}

#[apply(on_both_databases)]
async fn a_page_of_the_feed_reads_no_more_than_its_changes(database: Database) {
    explaining(&database).await;
    let app = App::synced(database, 1500).await;
    app.database.execute("ANALYZE").await;
    // PostgreSQL reads the whole of a small table.
    let tables = ["engagement_contacts", "engagement_sequence_states"];
    let (tenant, _) = app.store.authenticate(&app.api_key).await.unwrap().unwrap();
    let apollo = syncline_providers::apollo::NAME;
    let connection = tenant.get_connection(CUSTOMER, apollo).await;
    let connection = connection.unwrap().unwrap();
    let faults = reads_of_history(&app.database, &tables, async {
        let feed = app.store.change_feed(&connection.id).await.unwrap();
        let mut position = FeedPosition::START;
        for _ in 0..2 {
            let query = ChangeQuery {
                connection: &connection.reference(),
                objects: Object::ALL,
                after: &position,
                until_ms: feed.newest_ms,
                known_ms: None,
                include_raw_data: true,
                limit: 50,
            };
            let batch = app.store.changes(&query).await.unwrap();
            assert_eq!(batch.changes.len(), 50);
            position = batch.position;
        }
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}
