//! Two writers of one connection: one of them has to begin anew, and nothing is lost.

use syncline_model::Object;

use super::support::{Lake, at, columns, contact, contacts, named, names};
use crate::s3::{Gone, Manifest, S3Error};

impl Lake {
    async fn write_after(
        &self,
        current: &Manifest,
        id: &str,
        second: i64,
    ) -> Result<Manifest, S3Error> {
        let batch = vec![contacts(vec![contact(id, second, "raced")])];
        self.bucket.write(current, batch, id, at(second)).await
    }
}

#[tokio::test]
async fn of_two_writers_at_a_time_one_is_overtaken_and_no_batch_is_lost() {
    let lake = Lake::new();
    let none = lake.newest().await;
    let (one, two) = tokio::join!(
        lake.write_after(&none, "1", 1),
        lake.write_after(&none, "2", 2),
    );
    let (won, lost, id) = match (one, two) {
        (Ok(won), lost) => (won, lost, "2"),
        (lost, won) => (won.unwrap(), lost, "1"),
    };
    assert!(matches!(lost, Err(S3Error::Overtaken)), "{lost:?}");
    assert_eq!(lake.newest().await, won);
    lake.write_after(&won, id, 3).await.unwrap();
    let expected = [("1", "raced"), ("2", "raced")];
    assert_eq!(names(&lake.read_by_others().await), named(&expected));
}

#[tokio::test]
async fn an_old_attempt_overwrites_no_file_that_is_named() {
    let lake = Lake::new();
    let none = lake.newest().await;
    let won = lake.write_after(&none, "1", 1).await.unwrap();
    let attempt = lake.write_after(&none, "2", 2).await;
    assert!(matches!(attempt, Err(S3Error::Overtaken)));
    for file in &won.files {
        lake.bucket.read(file).await.unwrap();
    }
    assert_eq!(
        names(&lake.read_by_others().await),
        named(&[("1", "raced")])
    );
}

#[tokio::test]
async fn whoever_slept_while_old_manifests_were_deleted_is_overtaken() {
    let lake = Lake::new();
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    for second in 2..=9 {
        lake.write(second, vec![]).await;
    }
    let newest = lake.newest().await;
    lake.bucket.clean(&newest, at(10), false).await.unwrap();
    // Its number is free again.
    let attempt = lake.write_after(&first, "2", 11).await;
    assert!(matches!(attempt, Err(S3Error::Overtaken)), "{attempt:?}");
    assert_eq!(lake.newest().await, newest);
    assert_eq!(
        lake.bucket.sequences(&lake.source).await.unwrap(),
        [5, 6, 7, 8, 9]
    );
}

#[tokio::test]
async fn whoever_slept_through_a_removal_brings_nothing_back() {
    let lake = Lake::new();
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    lake.bucket.remove(&lake.source, at(2)).await.unwrap();
    let attempt = lake.write_after(&first, "2", 3).await;
    assert!(matches!(attempt, Err(S3Error::Overtaken)), "{attempt:?}");
    assert_eq!(lake.newest().await.sequence, 0);
}

#[tokio::test]
async fn a_rewrite_that_was_overtaken_changes_nothing() {
    let lake = Lake::new();
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    let second = lake.write(2, vec![contact("2", 2, "two")]).await;
    let rewritten = lake
        .bucket
        .rewrite(&first, Object::Contact, &columns(), Gone::nothing(), at(3))
        .await;
    assert!(matches!(rewritten, Err(S3Error::Overtaken)));
    assert_eq!(lake.newest().await, second);
    let expected = [("1", "one"), ("2", "two")];
    assert_eq!(names(&lake.read_by_others().await), named(&expected));
}
