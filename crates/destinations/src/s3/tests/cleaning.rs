//! What is deleted, and when.

use syncline_model::Object;

use super::support::{Lake, at, contact};
use crate::s3::Manifest;

const TEN_MINUTES: i64 = 600;

impl Lake {
    async fn clean(&self, current: &Manifest, second: i64, at_once: bool) -> usize {
        self.bucket
            .clean(current, at(second), at_once)
            .await
            .unwrap()
    }

    async fn has(&self, path: &str) -> bool {
        self.bucket.get(path).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_replaced_file_stays_for_ten_minutes_for_readers_who_have_begun() {
    let lake = Lake::new();
    let old = lake.write(0, vec![contact("1", 0, "one")]).await.files[0]
        .path
        .clone();
    let compacted = lake.rewrite(1, &[]).await;
    assert_eq!(lake.clean(&compacted, TEN_MINUTES, false).await, 0);
    assert!(lake.has(&old).await);
    assert_eq!(lake.clean(&compacted, 1 + TEN_MINUTES, false).await, 1);
    assert!(!lake.has(&old).await);
    assert!(lake.has(&compacted.files[0].path).await);
    let later = lake.write(2 + TEN_MINUTES, vec![]).await;
    assert_eq!(later.superseded, []);
}

#[tokio::test]
async fn an_erasure_does_not_wait() {
    let lake = Lake::new();
    let old = lake.write(0, vec![contact("1", 0, "one")]).await.files[0]
        .path
        .clone();
    let erased = lake.rewrite(1, &["1"]).await;
    lake.clean(&erased, 1, true).await;
    assert!(!lake.has(&old).await);
}

#[tokio::test]
async fn what_may_be_a_batch_in_the_making_and_what_is_not_ours_stays() {
    let lake = Lake::new();
    let current = lake.write(1, vec![contact("1", 1, "one")]).await;
    let directory = format!("contacts/{}", lake.source.connection_id);
    let next = format!("{directory}/{:020}-1-0000000000000000.parquet", 2);
    let dead = format!("{directory}/{:020}-1-0000000000000000.parquet", 1);
    let notes = format!("{directory}/notes.txt");
    for path in [&next, &dead, &notes] {
        lake.bucket.put(path, "x".into()).await.unwrap();
    }
    assert_eq!(lake.clean(&current, 2, true).await, 1);
    assert!(!lake.has(&dead).await);
    assert!(lake.has(&next).await && lake.has(&notes).await);
    // Once that number is given to another batch, it never will be one.
    let current = lake.write(3, vec![contact("2", 3, "two")]).await;
    assert_eq!(lake.clean(&current, 4, true).await, 1);
    assert!(!lake.has(&next).await);
}

#[tokio::test]
async fn cleaning_after_an_old_manifest_does_no_harm() {
    let lake = Lake::new();
    let old = lake.write(1, vec![contact("1", 1, "one")]).await;
    lake.write(2, vec![contact("2", 2, "two")]).await;
    let newest = lake.rewrite(3, &[]).await;
    lake.clean(&old, 4000, true).await;
    for file in &newest.files {
        lake.bucket.read(file).await.unwrap();
    }
    assert_eq!(lake.newest().await, newest);
}

#[tokio::test]
async fn five_manifests_are_kept() {
    let lake = Lake::new();
    for second in 1..=7 {
        lake.write(second, vec![]).await;
    }
    let newest = lake.newest().await;
    assert_eq!(lake.clean(&newest, 8, false).await, 2);
    assert_eq!(
        lake.bucket.sequences(&lake.source).await.unwrap(),
        [3, 4, 5, 6, 7]
    );
}

#[tokio::test]
async fn a_removed_object_is_hidden_at_once_and_deleted_by_cleaning() {
    let lake = Lake::new();
    let current = lake.write(1, vec![contact("1", 1, "one")]).await;
    let old = current.files[0].path.clone();
    let without = lake
        .bucket
        .remove_object(&current, Object::Contact, at(2))
        .await
        .unwrap();
    assert_eq!(lake.newest().await.files, []);
    assert_eq!(without.checkpoint, current.checkpoint);
    assert!(lake.has(&old).await);
    lake.clean(&without, 3, true).await;
    assert!(!lake.has(&old).await);
    let again = lake
        .bucket
        .remove_object(&without, Object::Contact, at(4))
        .await;
    assert_eq!(again.unwrap(), without);
}

#[tokio::test]
async fn of_a_removed_connection_nothing_is_left_and_others_are_untouched() {
    let lake = Lake::new();
    let mut other = Lake::at(lake.config.clone());
    other.source.connection_id = "018f0000-0000-7000-8000-000000000002".to_owned();
    let others = other.write(1, vec![contact("1", 1, "of another")]).await;
    lake.write(1, vec![contact("1", 1, "one")]).await;
    lake.rewrite(2, &[]).await;
    lake.bucket.remove(&lake.source, at(3)).await.unwrap();
    let paths = lake.paths().await;
    assert!(
        !paths
            .iter()
            .any(|it| it.contains(&lake.source.connection_id)),
        "{paths:?}"
    );
    assert_eq!(other.newest().await, others);
    other.bucket.read(&others.files[0]).await.unwrap();
    // Of nothing, nothing is removed.
    lake.bucket.remove(&lake.source, at(4)).await.unwrap();
}

#[tokio::test]
async fn a_removal_that_was_cut_off_goes_on_where_it_was() {
    let lake = Lake::new();
    lake.write(1, vec![contact("1", 1, "one")]).await;
    let current = lake.newest().await;
    // As far as the empty manifest, with all files still there.
    let mut empty = current.next(at(2));
    empty.files.clear();
    empty.checkpoint = None;
    lake.bucket.commit(&current, empty).await.unwrap();
    assert_eq!(lake.newest().await.files, []);
    lake.bucket.remove(&lake.source, at(3)).await.unwrap();
    assert_eq!(lake.paths().await, Vec::<String>::new());
}
