//! Compaction and erasure.

use std::collections::HashSet;

use syncline_model::{Cell, Object};

use super::support::{Lake, as_read, at, columns, contact, contacts, named, names, with};
use crate::s3::{
    Gone, S3Error,
    file::{Encoder, LIMITS, Limits},
};

#[tokio::test]
async fn compaction_leaves_the_newest_row_of_each_id_and_readers_see_the_same() {
    let lake = Lake::new();
    lake.write(
        1,
        (0..50)
            .map(|it| contact(&it.to_string(), 1, "first"))
            .collect(),
    )
    .await;
    let full = with(contact("7", 2, "second 🦀"), "employees", Cell::Integer(-7));
    let full = with(full, "seen_at", Cell::Time(at(5)));
    lake.write(2, vec![full.clone(), contact("50", 2, "new")])
        .await;
    // Sent again, and older than what is there.
    lake.write(3, vec![contact("7", 1, "first")]).await;
    let before = lake.read_by_others().await;
    let compacted = lake.rewrite(4, &[]).await;
    assert_eq!(
        compacted.files.iter().map(|it| it.rows).collect::<Vec<_>>(),
        [51]
    );
    assert_eq!(compacted.checkpoint.as_deref(), Some("after 3"));
    assert_eq!(compacted.superseded.len(), 3);
    let after = lake.read_by_others().await;
    assert_eq!(after, before);
    assert!(after.as_array().unwrap().contains(&as_read(&full)));
}

#[tokio::test]
async fn an_erased_id_is_in_no_object_of_the_bucket() {
    let lake = Lake::new();
    lake.write(
        1,
        vec![contact("1", 1, "Keep"), contact("2", 1, "Forget-Me-Marker")],
    )
    .await;
    lake.write(2, vec![contact("2", 2, "Forget-Me-Marker again")])
        .await;
    // Half of a batch that nobody finished.
    let current = lake.newest().await;
    let mut half = current.next(at(3));
    let rows = contacts(vec![contact("2", 3, "Forget-Me-Marker too")]);
    let mut encoder = Encoder::new(Object::Contact, &rows.columns, LIMITS);
    encoder.write_rows(&rows.rows).unwrap();
    let files = encoder.finish().unwrap();
    lake.bucket
        .upload(&mut half, Object::Contact, files)
        .await
        .unwrap();
    assert_eq!(lake.holding("Forget-Me-Marker").await.len(), 3);

    let erased = lake.rewrite(4, &["2"]).await;
    lake.bucket.clean(&erased, at(4), true).await.unwrap();
    assert_eq!(lake.holding("Forget-Me-Marker").await, Vec::<String>::new());
    assert_eq!(lake.holding("Keep").await.len(), 1);
    assert_eq!(names(&lake.read_by_others().await), named(&[("1", "Keep")]));
}

#[tokio::test]
async fn when_all_ids_are_erased_no_file_is_left() {
    let lake = Lake::new();
    lake.write(1, vec![contact("1", 1, "one")]).await;
    let erased = lake.rewrite(2, &["1"]).await;
    assert_eq!(erased.files, []);
    assert_eq!(lake.bucket.clean(&erased, at(2), true).await.unwrap(), 1);
    // Nothing to rewrite, nothing written.
    assert_eq!(lake.rewrite(3, &["1"]).await, erased);
}

#[tokio::test]
async fn a_column_that_old_files_lack_is_null_in_their_rows() {
    let lake = Lake::new();
    let none = lake.newest().await;
    let mut old = contacts(vec![contact("1", 1, "old")]);
    let place = columns()
        .iter()
        .position(|it| it.name == "employees")
        .unwrap();
    old.columns.remove(place);
    old.rows[0].cells.remove(place);
    lake.bucket
        .write(&none, vec![old], "c", at(1))
        .await
        .unwrap();
    let new = with(contact("2", 2, "new"), "employees", Cell::Integer(5));
    lake.write(2, vec![new.clone()]).await;
    let before = lake.read_by_others().await;
    assert_eq!(before.as_array().unwrap().len(), 2);
    lake.rewrite(3, &[]).await;
    let after = lake.read_by_others().await;
    assert_eq!(after[0], as_read(&contact("1", 1, "old")));
    assert_eq!(after[1], as_read(&new));
}

#[tokio::test]
async fn a_rewritten_object_is_split_into_files_as_well() {
    let lake = Lake::new();
    for batch in 0..3 {
        let rows = (0..40).map(|it| contact(&format!("{batch}-{it}"), batch, "x"));
        lake.write(batch, rows.collect()).await;
    }
    let current = lake.newest().await;
    let encoder = Encoder::new(Object::Contact, &columns(), Limits { rows: 50, ..LIMITS });
    let erased = Gone::new(Some(HashSet::from(["1-1".to_owned()])), None);
    let rewritten = lake
        .bucket
        .rewrite_by(encoder, &current, Object::Contact, erased, at(9))
        .await
        .unwrap();
    let rows: Vec<_> = rewritten.files.iter().map(|it| it.rows).collect();
    assert_eq!(rows, [50, 50, 19]);
    assert_eq!(lake.read_by_others().await.as_array().unwrap().len(), 119);
}

#[tokio::test]
async fn a_file_that_somebody_changed_is_not_rewritten() {
    let lake = Lake::new();
    let written = lake.write(1, vec![contact("1", 1, "one")]).await;
    let path = &written.files[0].path;
    let mut content = lake.bucket.get(path).await.unwrap().unwrap().to_vec();
    content[100] ^= 1;
    lake.bucket.put(path, content.into()).await.unwrap();
    let columns = columns();
    let rewrite = || {
        let nothing = Gone::nothing();
        lake.bucket
            .rewrite(&written, Object::Contact, &columns, nothing, at(2))
    };
    let refused = rewrite().await.unwrap_err();
    assert!(
        matches!(&refused, S3Error::Damaged { path: it, .. } if it == path),
        "{refused}"
    );
    lake.bucket
        .delete(std::slice::from_ref(path))
        .await
        .unwrap();
    assert!(matches!(rewrite().await, Err(S3Error::Damaged { .. })));
    assert_eq!(lake.newest().await, written);
}
