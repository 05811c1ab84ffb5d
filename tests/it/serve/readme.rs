//! The blocks of the README and of the page on OAuth, run one after the other as a user would who has
//! just cloned the repository.

use std::{net::TcpListener, path::PathBuf};

use crate::support::shell;

/// A block that the others don't depend on, and that would run this test again.
const LEFT_OUT: &str = "tests/run";

#[tokio::test]
async fn the_blocks_of_the_readme_work_in_their_order() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.len() > 10, "{blocks:?}");
    let out = printed(&blocks).await;
    for words in [
        "1 updated, 1 marked as deleted",
        r#""customer_id":"acme""#,
        r#""verdict":"complete""#,
        r#""next_run_at":"#,
        r#""per_hour":"#,
        "1000 records",
        r#"{"record":{"id":""#,
        "whsec_",
    ] {
        assert!(out.contains(words), "no {words} in {out}");
    }
}

#[tokio::test]
async fn the_blocks_of_the_page_on_oauth_work_in_their_order() {
    let page = std::fs::read_to_string(root().join("docs/oauth.md")).unwrap();
    let mut blocks = blocks(&page);
    // The last one needs an account at Outreach.
    let last = blocks.pop().unwrap();
    assert!(last.contains("OUTREACH_TOKEN=…"), "{last}");
    assert_eq!(blocks.len(), 5);
    // What the README does at its end.
    blocks.push("kill $(jobs -p)\n");
    let out = printed(&blocks).await;
    for words in [
        r#""oauth_client_id":"sim-salesloft-client""#,
        "/oauth/connect?token=",
        r#""provider_name":"salesloft""#,
        r#""status":"healthy""#,
    ] {
        assert!(out.contains(words), "no {words} in {out}");
    }
    assert!(!out.contains("sim-salesloft-secret"), "{out}");
}

/// What the blocks print, one after the other in one shell.
async fn printed(blocks: &[&str]) -> String {
    let [api, provider] = [free_port(), free_port()];
    let dir = tempfile::tempdir().unwrap();
    let output = shell()
        .current_dir(dir.path())
        .args(["-c", &script(blocks, api, provider)])
        .env("SYNCLINE_LISTEN", format!("127.0.0.1:{api}"))
        .output()
        .await
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let log = std::fs::read_to_string(dir.path().join("serve.log")).unwrap_or_default();
    assert!(output.status.success(), "{out}\n{err}\n{log}");
    out.into_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The shell blocks, without the one that is left out.
fn blocks(readme: &str) -> Vec<&str> {
    let parts = readme.split("```sh\n").skip(1);
    let blocks = parts.filter_map(|part| part.split_once("```").map(|(block, _)| block));
    blocks.filter(|block| block.trim() != LEFT_OUT).collect()
}

/// The blocks as they are, on ports of their own. The demo is left to end by itself; before the
/// next block the script waits for the first syncs.
fn script(blocks: &[&str], api: u16, provider: u16) -> String {
    let mut script = "
        set -euo pipefail
        trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
        curl() { command curl --silent --show-error --fail-with-body --noproxy '*' \"$@\"; echo; }
    "
    .to_owned();
    for block in blocks {
        let block = block
            .replace(
                "cargo run --release -- demo",
                "syncline demo --exit --listen 127.0.0.1:0",
            )
            .replace(
                "syncline sim apollo",
                &format!("syncline sim apollo --listen 127.0.0.1:{provider}"),
            )
            .replace(
                "syncline sim salesloft",
                &format!("syncline sim salesloft --listen 127.0.0.1:{provider}"),
            )
            .replace("127.0.0.1:8090", &format!("127.0.0.1:{provider}"))
            .replace("127.0.0.1:8092", &format!("127.0.0.1:{provider}"))
            .replace("localhost:8080", &format!("127.0.0.1:{api}"));
        if block.trim_start().starts_with("sqlite3") {
            script.push_str("command -v sqlite3 >/dev/null || sqlite3() { :; }\n");
        }
        script.push_str(&block);
        if block.contains("syncline serve") && !block.contains("readyz") {
            let ready = format!("http://127.0.0.1:{api}/readyz");
            script.push_str("command curl --silent --output /dev/null --noproxy '*' --retry 60 ");
            script.push_str("--retry-delay 1 --retry-connrefused ");
            script.push_str(&ready);
            script.push('\n');
        }
        if block.contains("/mgmt/v2/syncs ") {
            let asked = block.trim();
            script.push_str("until [ \"$(");
            script.push_str(asked);
            script.push_str(" | grep -o '\"verdict\":' | wc -l)\" -ge 6 ]; do sleep 0.1; done\n");
            script.push_str(asked);
            script.push('\n');
        }
    }
    script.push_str("wait\n");
    script
}

/// A port that nothing listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
