//! Crashes, lost answers and outages: readers see the last state, and the next attempt goes on.

use std::{
    collections::HashSet,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use syncline_model::Object;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::Mutex,
};

use super::support::{Lake, at, columns, config, contact, contacts, from_server, named, names};
use crate::s3::{
    Gone, S3Config, S3Error,
    file::{Encoder, LIMITS},
};

#[tokio::test]
async fn half_of_a_batch_is_invisible_and_written_over_by_the_next_attempt() {
    let lake = Lake::new();
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    // The crash comes between the file and the manifest.
    let rows = vec![contact("2", 2, "two")];
    let mut half = first.next(at(2));
    let mut encoder = Encoder::new(Object::Contact, &contacts(vec![]).columns, LIMITS);
    encoder.write_rows(&rows).unwrap();
    let files = encoder.finish().unwrap();
    lake.bucket
        .upload(&mut half, Object::Contact, files)
        .await
        .unwrap();
    assert_eq!(lake.newest().await, first);
    assert_eq!(names(&lake.read_by_others().await), named(&[("1", "one")]));

    let second = lake.write(2, rows).await;
    assert_eq!(second.files, half.files);
    assert_eq!(lake.bucket.clean(&second, at(3), true).await.unwrap(), 0);
    let expected = [("1", "one"), ("2", "two")];
    assert_eq!(names(&lake.read_by_others().await), named(&expected));
}

/// Forwards to the test server, but cuts the connection instead of passing on the answer to the first
/// request to create a manifest.
async fn proxy_that_loses_an_answer() -> (String, Arc<Mutex<bool>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = from_server("TEST_S3_ENDPOINT").replace("http://", "");
    let lost = Arc::new(Mutex::new(false));
    let told = lost.clone();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(forward(client, server, lost.clone()));
        }
    });
    (endpoint, told)
}

async fn forward(mut client: TcpStream, mut server: TcpStream, lost: Arc<Mutex<bool>>) {
    let (mut sent, mut answer) = (vec![0; 65536], vec![0; 65536]);
    let mut creates = false;
    loop {
        tokio::select! {
            Ok(count) = client.read(&mut sent) => {
                let text = String::from_utf8_lossy(&sent[..count]).to_lowercase();
                creates |= text.contains("if-none-match") && text.contains("_manifests");
                if count == 0 || server.write_all(&sent[..count]).await.is_err() {
                    return;
                }
            }
            Ok(count) = server.read(&mut answer) => {
                let done = answer.starts_with(b"HTTP/1.1 200");
                let mut lost = lost.lock().await;
                if creates && done && !*lost {
                    *lost = true;
                    return;
                }
                if count == 0 || client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[tokio::test]
async fn a_manifest_whose_answer_was_lost_is_found_to_be_ours() {
    let (endpoint, lost) = proxy_that_loses_an_answer().await;
    let lake = Lake::at(S3Config {
        endpoint: Some(endpoint),
        ..config()
    });
    let written = lake.write(1, vec![contact("1", 1, "one")]).await;
    assert_eq!(lake.newest().await, written);
    assert_eq!(written.sequence, 1);
    assert!(*lost.lock().await);
}

/// Forwards so many requests to the test server, and then nothing any more.
async fn proxy_that_dies_after(requests: usize) -> S3Config {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = from_server("TEST_S3_ENDPOINT").replace("http://", "");
    let left = Arc::new(AtomicUsize::new(requests));
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(forward_some(client, server, left.clone()));
        }
    });
    S3Config {
        endpoint: Some(endpoint),
        ..config()
    }
}

async fn forward_some(client: TcpStream, server: TcpStream, left: Arc<AtomicUsize>) {
    let (mut client_sends, mut client_gets) = client.into_split();
    let (mut server_sends, mut server_gets) = server.into_split();
    let requests = async {
        let mut sent = vec![0; 65536];
        while let Ok(count @ 1..) = client_sends.read(&mut sent).await {
            let heads = String::from_utf8_lossy(&sent[..count])
                .matches(" HTTP/1.1\r\n")
                .count();
            let allowed = |left: usize| left.checked_sub(heads);
            let allowed = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, allowed);
            if allowed.is_err() || server_gets.write_all(&sent[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut server_sends, &mut client_gets) => {}
    }
}

/// Something that is done to a connection with three contacts in two files.
#[derive(Clone, Copy, PartialEq)]
enum Done {
    Write,
    Erase,
    Remove,
}

impl Lake {
    async fn do_it(&self, what: Done) -> Result<(), S3Error> {
        let current = self.bucket.manifest(&self.source).await?;
        match what {
            Done::Write => self
                .try_write(3, vec![contact("1", 3, "changed")])
                .await
                .map(|_| ()),
            Done::Erase => {
                let erased = Gone::new(Some(HashSet::from(["1".to_owned()])), None);
                let rewritten = self
                    .bucket
                    .rewrite(&current, Object::Contact, &columns(), erased, at(3))
                    .await?;
                self.bucket.clean(&rewritten, at(3), true).await.map(|_| ())
            }
            Done::Remove => self.bucket.remove(&self.source, at(3)).await,
        }
    }

    /// The rows of the newest manifest, all of whose files must be there.
    async fn rows_to_read(&self) -> u64 {
        let newest = self.newest().await;
        for file in &newest.files {
            self.bucket.read(file).await.unwrap();
        }
        newest.files.iter().map(|file| file.rows).sum()
    }
}

/// Whether it was done before the process died.
async fn dies_after(requests: usize, what: Done) -> bool {
    let dying = Lake::at(proxy_that_dies_after(requests).await);
    let lake = Lake::at(S3Config {
        endpoint: config().endpoint,
        ..dying.config.clone()
    });
    lake.write(1, vec![contact("1", 1, "one"), contact("2", 1, "two")])
        .await;
    lake.write(2, vec![contact("3", 2, "three")]).await;
    let rows = match what {
        Done::Write => 4,
        Done::Erase => 2,
        Done::Remove => 0,
    };
    let done = dying.do_it(what).await.is_ok();
    let seen = lake.rows_to_read().await;
    assert!(
        seen == rows || !done && seen == 3,
        "after {requests}: {seen}"
    );
    // Whoever comes next looks where things are.
    if what != Done::Write || seen == 3 {
        lake.do_it(what).await.unwrap();
    }
    assert_eq!(lake.rows_to_read().await, rows, "after {requests}");
    let newest = lake.newest().await;
    lake.bucket.clean(&newest, at(4), true).await.unwrap();
    let files = lake.bucket.list("contacts").await.unwrap();
    assert_eq!(files.len(), newest.files.len(), "after {requests}");
    done
}

async fn may_die_after_every_request_of(what: Done) {
    let deaths = (0..32).map(|requests| dies_after(requests, what));
    let done = futures::future::join_all(deaths).await;
    assert!(done[31] && !done[0]);
}

#[tokio::test]
async fn whenever_a_write_is_cut_off_readers_see_all_or_nothing_of_it() {
    may_die_after_every_request_of(Done::Write).await;
}

#[tokio::test]
async fn whenever_an_erasure_is_cut_off_readers_see_the_old_files_or_the_new_ones() {
    may_die_after_every_request_of(Done::Erase).await;
}

#[tokio::test]
async fn whenever_a_removal_is_cut_off_readers_see_all_files_or_none() {
    may_die_after_every_request_of(Done::Remove).await;
}

/// A server of its own, which can be stopped.
struct Server {
    data: tempfile::TempDir,
    port: u16,
    process: Child,
}

fn started(data: &std::path::Path, port: u16) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/server");
    Command::new(script)
        .arg(data)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

impl Server {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/ports.py");
        let python = from_server("TEST_S3_PYTHON");
        let ports = Command::new(python).arg(script).output().await.unwrap();
        let port = String::from_utf8(ports.stdout).unwrap();
        let port = port.trim().parse().unwrap();
        let process = started(data.path(), port);
        Self {
            data,
            port,
            process,
        }
    }

    async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    fn start_again(&mut self) {
        self.process = started(self.data.path(), self.port);
    }
}

impl Lake {
    async fn until_it_answers(&self) {
        while let Err(error) = self.bucket.test("1").await {
            assert!(!matches!(error, S3Error::NoConditionalWrites));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn after_an_outage_in_the_middle_the_next_attempt_goes_on() {
    let mut server = Server::start().await;
    let lake = Lake::at(S3Config {
        endpoint: Some(format!("http://127.0.0.1:{}", server.port)),
        ..config()
    });
    lake.until_it_answers().await;
    let first = lake.write(1, vec![contact("1", 1, "one")]).await;
    server.stop().await;
    let rows = vec![contacts(vec![contact("2", 2, "two")])];
    let failed = lake
        .bucket
        .write(&first, rows.clone(), "after 2", at(2))
        .await;
    assert!(matches!(failed, Err(S3Error::Unreachable(_))), "{failed:?}");
    server.start_again();
    lake.until_it_answers().await;
    assert_eq!(lake.newest().await, first);
    let second = lake
        .bucket
        .write(&first, rows, "after 2", at(3))
        .await
        .unwrap();
    assert_eq!(lake.newest().await, second);
    for file in &second.files {
        lake.bucket.read(file).await.unwrap();
    }
}
