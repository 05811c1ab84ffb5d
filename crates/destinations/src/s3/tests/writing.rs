//! What is written is what others read.

use serde_json::{Value, json};
use syncline_model::{Cell, ExportRows, Object};

use super::support::{Lake, as_read, at, columns, contact, contacts, named, names, with};
use crate::s3::{
    S3Error,
    file::{Encoded, Encoder, LIMITS, Limits},
};

#[tokio::test]
async fn a_batch_reads_back_as_it_was_written_with_nulls_unicode_json_and_times() {
    let lake = Lake::new();
    let full = with(
        contact("1", 1, "Zoë 🦀 O'Brien\n\"quoted\""),
        "opted_out",
        Cell::Boolean(true),
    );
    let full = with(full, "employees", Cell::Integer(i64::MIN));
    let full = with(full, "seen_at", Cell::Time(at(-3_000_000_000)));
    let json = r#"{"a":[1,null,{"b":"\u0000"}],"größe":1e400}"#;
    let full = with(full, "raw_data", Cell::Json(json.to_owned()));
    let empty = with(contact("2", 2, ""), "raw_data", Cell::Null);
    let empty = with(empty, "opted_out", Cell::Boolean(false));
    lake.write(1, vec![full.clone(), empty.clone()]).await;
    let expected = json!([as_read(&full), as_read(&empty)]);
    assert_eq!(lake.read_by_others().await, expected);
}

#[tokio::test]
async fn of_an_update_and_a_deletion_the_newest_row_is_read_once() {
    let lake = Lake::new();
    let first = vec![
        contact("1", 1, "one"),
        contact("2", 1, "two"),
        contact("3", 1, "three"),
    ];
    lake.write(1, first).await;
    let deleted = with(contact("3", 2, "three"), "is_deleted", Cell::Boolean(true));
    lake.write(2, vec![contact("2", 2, "two, changed"), deleted])
        .await;
    let read = lake.read_by_others().await;
    let expected = [("1", "one"), ("2", "two, changed"), ("3", "three")];
    assert_eq!(names(&read), named(&expected));
    assert_eq!(read[2]["is_deleted"], true);
    assert_eq!(lake.newest().await.checkpoint.as_deref(), Some("after 2"));
}

#[tokio::test]
async fn a_manifest_is_what_the_document_says() {
    let lake = Lake::new();
    let accounts = ExportRows {
        object: Object::Account,
        ..contacts(vec![contact("a", 1, "an account")])
    };
    let none = lake.newest().await;
    assert_eq!((none.sequence, none.checkpoint.as_deref()), (0, None));
    let batch = vec![contacts(vec![contact("1", 1, "one")]), accounts];
    let written = lake.bucket.write(&none, batch, "c1", at(7)).await.unwrap();
    let path = format!(
        "_manifests/{}/00000000000000000001.json",
        lake.source.connection_id
    );
    let json = lake.bucket.get(&path).await.unwrap().unwrap();
    let mut json: Value = serde_json::from_slice(&json).unwrap();
    let files = json["files"].take();
    assert_eq!(
        json,
        json!({
            "version": 1, "sequence": 1, "written_at": "2026-03-01T08:00:07.123Z",
            "application_id": "app", "customer_id": "acme", "provider_name": "apollo",
            "connection_id": lake.source.connection_id, "checkpoint": "c1",
            "files": null, "superseded": [],
        })
    );
    assert_eq!(
        (&files[0]["object"], &files[1]["object"]),
        (&json!("contact"), &json!("account"))
    );
    for (file, directory) in written.files.iter().zip(["contacts", "accounts"]) {
        let content = lake.bucket.get(&file.path).await.unwrap().unwrap();
        assert_eq!((file.rows, file.bytes), (1, content.len() as u64));
        let start = format!("{directory}/{}/{:020}-1-", lake.source.connection_id, 1);
        assert!(file.path.starts_with(&start), "{}", file.path);
    }
}

#[tokio::test]
async fn a_batch_without_rows_moves_the_checkpoint() {
    let lake = Lake::new();
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    let second = lake.write(2, vec![]).await;
    assert_eq!(second.files, first.files);
    assert_eq!(lake.newest().await.checkpoint.as_deref(), Some("after 2"));
}

fn encoded(rows: &ExportRows, limits: Limits) -> Result<Vec<Encoded>, S3Error> {
    let mut encoder = Encoder::new(rows.object, &rows.columns, limits);
    encoder.write_rows(&rows.rows)?;
    encoder.finish()
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows = contacts(
        (0..500)
            .map(|it| contact(&it.to_string(), it, "x"))
            .collect(),
    );
    let hash = |_| encoded(&rows, LIMITS).unwrap().remove(0).sha256;
    assert_eq!(hash(1), hash(2));
}

#[test]
fn a_file_ends_when_it_has_enough_rows_or_bytes() {
    let rows = |count| {
        contacts(
            (0..count)
                .map(|it| contact(&it.to_string(), it, "x"))
                .collect(),
        )
    };
    let counts = |rows, limits| {
        let files = encoded(&rows, limits).unwrap();
        files.iter().map(|file| file.rows).collect::<Vec<_>>()
    };
    let few = Limits {
        rows: 100,
        ..LIMITS
    };
    assert_eq!(counts(rows(250), few), [100, 100, 50]);
    assert_eq!(counts(rows(200), few), [100, 100]);
    assert_eq!(counts(rows(0), few), [] as [usize; 0]);
    // A file takes what is turned into arrays at once, 4,096 rows, before it is measured.
    let small = Limits {
        bytes: 1000,
        ..LIMITS
    };
    assert_eq!(counts(rows(10_000), small), [4096, 4096, 1808]);
}

#[test]
fn rows_that_do_not_fit_their_columns_are_refused_by_column() {
    let wrong = with(
        contact("1", 1, "x"),
        "employees",
        Cell::Text("many".to_owned()),
    );
    let refused = encoded(&contacts(vec![wrong]), LIMITS)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("contacts") && refused.contains("employees"),
        "{refused}"
    );
    let mut short = contact("1", 1, "x");
    short.cells.pop();
    assert!(encoded(&contacts(vec![short]), LIMITS).is_err());
    assert_eq!(columns().len(), contact("1", 1, "x").cells.len());
    let keyless = with(contact("1", 1, "x"), "id", Cell::Null);
    assert!(encoded(&contacts(vec![keyless]), LIMITS).is_err());
}
