//! How entries get to the database: at once, or batched with others.
//!
//! Calls to providers are many and must not each wait for a commit, so their entries go through one
//! writer, which commits what has gathered, at least every second and at shutdown. While the
//! database is unavailable they are queued up to a limit; beyond that, callers wait.

use std::{sync::Arc, time::Duration};

use syncline_store::{AuditEntry, Store};
use tokio::sync::{mpsc, oneshot};

use super::repeats::DenialThrottle;

/// Entries that may wait to be written.
const QUEUE: usize = 4096;
/// Entries per commit.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(250);
/// The longest delay from the end of a minute until the denials that were only counted in it are
/// written.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Cheap to clone; all clones share one writer.
#[derive(Clone)]
pub struct Recorder {
    store: Store,
    send: mpsc::Sender<Command>,
    repeats: Arc<DenialThrottle>,
}

enum Command {
    Write(Box<AuditEntry>),
    /// Reply when everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    /// The recorder, and its writer, which the caller has to run.
    pub fn new(store: Store) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (send, commands) = mpsc::channel(QUEUE);
        let repeats = Arc::<DenialThrottle>::default();
        let writer = write(store.clone(), commands, repeats.clone());
        let recorder = Self {
            store,
            send,
            repeats,
        };
        (recorder, writer)
    }

    /// Returns when the entry is in the database. If the database fails, the entry is queued for
    /// the writer: the call was made, and its answer must not fail.
    pub(crate) async fn write_now(&self, entry: AuditEntry) {
        if let Err(error) = self
            .store
            .write_audit_log(std::slice::from_ref(&entry))
            .await
        {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not write an audit log entry; it is queued and will be retried: {}",
                entry.message
            );
            self.write_soon(entry).await;
        }
    }

    /// Writes an entry now if it is one of the first denials of its key in this minute; the others
    /// are counted and written as one entry.
    pub(super) async fn write_refusal(&self, entry: AuditEntry) {
        let (entry, told) = self.repeats.note(entry);
        if let Some(told) = told {
            self.write_soon(told).await;
        }
        if let Some(entry) = entry {
            self.write_now(entry).await;
        }
    }

    /// Returns when the writer has queued the entry.
    pub(super) async fn write_soon(&self, entry: AuditEntry) {
        // The writer lives as long as the process.
        let _ = self.send.send(Command::Write(Box::new(entry))).await;
    }

    /// Returns when everything that was queued before is in the database.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.send.send(Command::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }
}

async fn write(store: Store, mut commands: mpsc::Receiver<Command>, repeats: Arc<DenialThrottle>) {
    let mut taken = Vec::new();
    loop {
        let next = commands.recv_many(&mut taken, BATCH);
        match tokio::time::timeout(SUMMARY_INTERVAL, next).await {
            Ok(0) => return commit(&store, &repeats.all()).await,
            Ok(_) => {}
            Err(_) => commit(&store, &repeats.over()).await,
        }
        if !taken
            .iter()
            .any(|command| matches!(command, Command::Flush(_)))
        {
            let _ = tokio::time::timeout(GATHER, gather(&mut commands, &mut taken)).await;
        }
        let mut entries = Vec::new();
        let mut waiting = Vec::new();
        for command in taken.drain(..) {
            match command {
                Command::Write(entry) => entries.push(*entry),
                Command::Flush(done) => waiting.push(done),
            }
        }
        if !waiting.is_empty() {
            entries.extend(repeats.all());
        }
        commit(&store, &entries).await;
        for done in waiting {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
    }
}

/// Takes more commands until the batch is full or a caller waits for a flush.
async fn gather(commands: &mut mpsc::Receiver<Command>, taken: &mut Vec<Command>) {
    while taken.len() < BATCH {
        let Some(command) = commands.recv().await else {
            return;
        };
        let flush = matches!(command, Command::Flush(_));
        taken.push(command);
        if flush {
            return;
        }
    }
}

async fn commit(store: &Store, entries: &[AuditEntry]) {
    if entries.is_empty() {
        return;
    }
    while let Err(error) = store.write_audit_log(entries).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "could not write {} audit log entries; they will be retried",
            entries.len()
        );
        tokio::time::sleep(TRY_AGAIN).await;
        store.reachable().await;
    }
}
