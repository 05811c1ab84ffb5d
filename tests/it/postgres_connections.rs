//! How the connections to PostgreSQL are used: as few as are needed, by everyone in turn, and never
//! with what another one has left behind.

use std::{fmt::Write as _, sync::Arc};

use futures::future::try_join_all;
use syncline_model::Ids;
use syncline_store::{DatabaseOptions, EncryptionKeys, NewCustomer, Store, Tenant};

use crate::support::{Database, first_of_march};

async fn tenant(database: &Database, max_connections: u32) -> Tenant {
    let ids = Arc::new(Ids::random());
    let keys: EncryptionKeys = EncryptionKeys::generate(&ids).parse().unwrap();
    let options = DatabaseOptions { max_connections };
    let store = Store::open_with(&database.url, options, first_of_march(), ids, keys);
    store.await.unwrap().tenant("default")
}

async fn put(tenant: &Tenant, id: &str) {
    let customer = NewCustomer {
        customer_id: id,
        name: id,
        email: "",
    };
    tenant.upsert_customer(&customer).await.unwrap();
}

async fn connections(database: &Database) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'syncline'";
    database.count(sql).await
}

async fn with_application(database: &Database) {
    let sql =
        "INSERT INTO applications (id, name, created_at) VALUES ('default', 'default', now())";
    database.execute(sql).await;
}

#[tokio::test]
async fn who_reads_one_after_the_other_needs_one_connection() {
    let database = Database::postgres().await;
    let tenant = tenant(&database, 4).await;
    for _ in 0..10 {
        assert!(tenant.get_customer("nobody").await.unwrap().is_none());
        assert!(
            tenant
                .list_customers("", None)
                .await
                .unwrap()
                .rows
                .is_empty()
        );
    }
    assert_eq!(connections(&database).await, 1);
}

/// The statement asks for one row more than the list shows, and that row must have been read too.
#[tokio::test]
async fn a_list_that_is_cut_gives_its_connection_back_as_well() {
    let database = Database::postgres().await;
    with_application(&database).await;
    let tenant = tenant(&database, 4).await;
    let mut insert =
        "INSERT INTO customers (application_id, customer_id, name, email, created_at) VALUES "
            .to_owned();
    for number in 0..2001 {
        let comma = if number == 0 { "" } else { "," };
        write!(insert, "{comma}('default', 'c{number}', '', '', now())").unwrap();
    }
    database.execute(&insert).await;
    for _ in 0..3 {
        assert!(tenant.list_customers("", None).await.unwrap().more);
    }
    assert_eq!(connections(&database).await, 1);
}

#[tokio::test]
async fn more_callers_than_connections_are_all_answered() {
    let database = Database::postgres().await;
    with_application(&database).await;
    let tenant = &tenant(&database, 2).await;
    let callers = (0..60).map(async |number| {
        let id = format!("customer-{number}");
        // Every third writes, in a transaction; the others read.
        if number % 3 == 0 {
            put(tenant, &id).await;
        }
        tenant.get_customer(&id).await.map(|it| it.is_some())
    });
    let found = try_join_all(callers).await.unwrap();
    for (number, found) in found.into_iter().enumerate() {
        assert_eq!(found, number % 3 == 0, "customer {number}");
    }
    assert!(connections(&database).await <= 2);
}

#[tokio::test]
async fn a_read_that_was_given_up_leaves_nothing_to_the_next_one() {
    let database = Database::postgres().await;
    with_application(&database).await;
    let tenant = tenant(&database, 1).await;
    put(&tenant, "a").await;
    put(&tenant, "b").await;
    let lock = database
        .holding("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        .await;
    tokio::select! {
        _ = tenant.get_customer("a") => panic!("the table is locked"),
        () = database.until_waiting("SELECT application_id, customer_id") => {}
    }
    lock.rollback().await.unwrap();
    let b = tenant.get_customer("b").await.unwrap();
    assert_eq!(b.unwrap().customer_id, "b");
}

#[tokio::test]
async fn a_transaction_that_was_given_up_leaves_nothing_to_the_next_read() {
    let database = Database::postgres().await;
    with_application(&database).await;
    let tenant = tenant(&database, 1).await;
    put(&tenant, "a").await;
    let lock = database
        .holding("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        .await;
    tokio::select! {
        () = put(&tenant, "b") => panic!("the table is locked"),
        () = database.until_waiting("INSERT INTO customers") => {}
    }
    lock.rollback().await.unwrap();
    assert!(tenant.get_customer("b").await.unwrap().is_none());
    assert!(tenant.get_customer("a").await.unwrap().is_some());
}

#[test]
fn a_store_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tenant = runtime.block_on(async {
        let database = Database::postgres().await;
        let tenant = tenant(&database, 2).await;
        tenant.get_customer("nobody").await.unwrap();
        tenant
    });
    drop(runtime);
    drop(tenant);
}

#[tokio::test]
async fn a_closed_store_has_no_connection_left_and_says_that_it_is_closed() {
    let database = Database::postgres().await;
    let tenant = tenant(&database, 2).await;
    tenant.get_customer("nobody").await.unwrap();
    tenant.store().close().await;
    let mut open = connections(&database).await;
    while open > 0 {
        tokio::task::yield_now().await;
        open = connections(&database).await;
    }
    tenant.get_customer("nobody").await.unwrap_err();
}
