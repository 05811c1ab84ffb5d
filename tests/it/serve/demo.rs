//! `syncline demo --exit`.

use crate::support::syncline;

#[tokio::test]
async fn the_demo_syncs_three_customers_and_ends_with_status_0() {
    let output = syncline()
        .args(["demo", "--exit", "--listen", "127.0.0.1:0"])
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    for words in ["brightwater", "contacts", "2,500", "records/s", "requests"] {
        assert!(out.contains(words), "{words} is missing in {out}");
    }
}
