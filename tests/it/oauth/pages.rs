//! The commands in the pages on Outreach and Salesloft.

use macro_rules_attribute::apply;

use super::at_both_providers;
use crate::support::{CUSTOMER, shell};

#[apply(at_both_providers)]
async fn the_commands_of_the_providers_page_work(provider: Provider, database: Database) {
    let app = provider.connected(database, 5).await;
    let page = format!(
        "{}/../docs/{}.md",
        env!("CARGO_MANIFEST_DIR"),
        provider.name
    );
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page
        .split("```sh\n")
        .skip(1)
        .filter_map(|part| Some(part.split_once("```")?.0))
        .collect();
    assert_eq!(blocks.len(), 1);
    let script = blocks[0]
        .replace("localhost:8080", app.address())
        .replace("acme", CUSTOMER);
    let curl =
        "curl() { command curl --silent --show-error --fail-with-body --noproxy '*' \"$@\"; }";
    let output = shell()
        .args(["-c", &format!("set -eu\n{curl}\n{script}")])
        .env("KEY", &app.api_key)
        .output()
        .await
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains(r#""data":["#), "{out}");
}
