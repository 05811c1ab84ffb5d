//! Late answers need an address that the provider sends them to.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_sim::Simulator;

use super::jobs::{JOBS, people};
use crate::support::{App, CUSTOMER, Process, on_both_databases, quiet_apollo};

#[apply(on_both_databases)]
async fn numbers_need_an_https_address_and_the_error_says_so(database: Database) {
    let apollo = Simulator::start(quiet_apollo(3)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    process.connect().await;
    for option in [
        "reveal_phone_number",
        "run_waterfall_email",
        "run_waterfall_phone",
    ] {
        let mut list = json!({"people": people(1)});
        list[option] = json!(true);
        let request = process
            .of_customer(Method::POST, JOBS, CUSTOMER)
            .json(&list);
        let answer = App::answer(request).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", option));
        let said = answer.body["errors"][0]["title"].as_str().unwrap();
        assert!(
            said.contains("needs SYNCLINE_PUBLIC_URL to be an https:// address"),
            "{said}"
        );
    }
    let jobs = database.count("SELECT count(*) FROM enrichment_jobs");
    assert_eq!(jobs.await, 0);
}
