//! Two engines with their real workers on one PostgreSQL.

use std::time::Duration;

use syncline_engine::{Engine, EngineConfig};
use syncline_sim::Options;

use crate::support::{App, Database, MASTER_KEY};

const CUSTOMERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_on_one_postgres_never_run_the_same_object_twice() {
    let mut options = Options::with_contacts(350);
    options.teams = (1..=CUSTOMERS)
        .map(|n| syncline_sim::TeamOptions::numbered(n, 350))
        .collect();
    let app = App::with_apollo(Database::postgres().await, options).await;
    let engines = ["first", "second"].map(|name| {
        Engine::new(
            app.store.clone(),
            app.providers.clone(),
            app.clock.clone(),
            EngineConfig {
                worker_name: name.to_owned(),
                tick: Duration::from_millis(20),
                // However slow the machine is, no scan yields to another.
                turn: Duration::from_mins(10),
                ..App::engine_config()
            },
        )
    });
    let running = engines
        .clone()
        .map(|engine| tokio::spawn(async move { engine.run().await }));
    for n in 1..=CUSTOMERS {
        app.connect(&format!("c{n}"), &format!("{MASTER_KEY}-{n}"))
            .await;
    }
    let finished = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'";
    let all = i64::try_from(CUSTOMERS * 6).unwrap();
    let done = async {
        while app.database.count(finished).await < all {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), done)
        .await
        .expect("the runs end");
    for engine in &engines {
        engine.shutdown();
    }
    for task in running {
        task.await.unwrap();
    }

    assert_eq!(
        app.database.count("SELECT count(*) FROM sync_runs").await,
        all
    );
    assert_eq!(
        app.database.count("SELECT max(fence) FROM sync_runs").await,
        1,
        "nobody took over what another had"
    );
    for team in 0..CUSTOMERS {
        let pages = app
            .apollo
            .ledger()
            .requests()
            .into_iter()
            .filter(|request| {
                request.team == Some(team) && request.path.contains("contacts/search")
            });
        let mut pages: Vec<_> = pages.filter_map(|request| request.page).collect();
        pages.sort_unstable();
        assert_eq!(pages, [1, 2, 3, 4], "each page was asked for once");
        assert!(app.apollo.ledger().most_in_flight(team, "contacts") <= 1);
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM engagement_contacts")
            .await,
        i64::try_from(CUSTOMERS * 350).unwrap()
    );
}
