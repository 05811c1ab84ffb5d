//! A process that has no file descriptor left for one more connection.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::support::{Database, Process};

#[tokio::test]
async fn a_process_without_a_file_left_goes_on_when_it_has_one() {
    let database = Database::sqlite();
    let mut process = Process::serve(&database, "http://127.0.0.1:9").await;
    let address = process.base.trim_start_matches("http://").to_owned();
    // It has set its own limit by the time it answers.
    process.get("/mgmt/v2/customers").await;
    allow_files(&process, 5).await;
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    process.until_logged("could not accept a connection").await;
    allow_files(&process, 500).await;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(process.terminate().await, Some(0));
}

async fn allow_files(process: &Process, files: u32) {
    let status = Command::new("prlimit")
        .args(["--pid", &process.id().to_string()])
        .arg(format!("--nofile={files}:"))
        .status()
        .await;
    assert!(status.unwrap().success());
}
