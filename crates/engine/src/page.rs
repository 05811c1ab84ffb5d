//! One step of a scan: ask for a page, write it, and go on; or end.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use syncline_model::{Checkpoint, Object, ScanFacts, WaitReason};
use syncline_providers::{Credentials, ErrorKind, KeyCheck, Page, ProviderError, Window};
use syncline_store::{PageCommit, Pause, Scan, StoreError};

use crate::{
    Engine,
    scan::{Failure, ScanEnd, Step, resume_at, running},
};

/// How long a stopping process waits for the answer in flight.
const GRACE: Duration = Duration::from_secs(5);

/// However short or long the provider says that a scan should wait.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A page with the number of requests that it took.
struct Fetched {
    page: Page,
    requests: i64,
}

impl Engine {
    /// Moves the scan by one page, or ends it.
    pub(crate) async fn step(&self, scan: &mut Scan) -> Result<Step, StoreError> {
        if scan.checkpoint.facts.reached_end {
            return Ok(Step::End(self.finish(scan).await?));
        }
        let credentials = match &scan.credentials {
            Ok(api_key) => Credentials {
                api_key: api_key.clone(),
            },
            Err(reason) => {
                let failure = Failure::new(reason.clone());
                return Ok(Step::End(self.fail(scan, &failure).await?));
            }
        };
        let requests = AtomicI64::new(0);
        let fetched = tokio::select! {
            fetched = self.fetch(scan, &credentials, &requests) => fetched,
            () = self.grace_is_over() => return Ok(Step::End(self.give_back(scan).await)),
        };
        let requests = requests.into_inner();
        match fetched {
            Ok(page) => {
                self.commit(scan, Fetched { page, requests }).await?;
                Ok(Step::Page)
            }
            Err(error) => {
                let end = self.end(scan, &credentials, error, requests).await?;
                Ok(Step::End(end))
            }
        }
    }

    async fn grace_is_over(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    /// Asks for the next page, again while the reason for not getting it passes by itself.
    async fn fetch(
        &self,
        scan: &Scan,
        credentials: &Credentials,
        requests: &AtomicI64,
    ) -> Result<Page, ProviderError> {
        let provider = self.providers.get(scan.connection.provider);
        let retry = &self.config.retry;
        let ask = || async {
            requests.fetch_add(1, Ordering::Relaxed);
            provider
                .list(credentials, scan.object, scan.checkpoint.next_page)
                .await
        };
        let backoff = ExponentialBuilder::default()
            .with_min_delay(retry.first_delay)
            .with_max_times(retry.tries.saturating_sub(1));
        let tries = ask
            .retry(backoff)
            .when(ProviderError::is_temporary)
            .notify(|error, delay| {
                tracing::info!(scan.id, ?delay, "asking again: {error}");
            });
        match tokio::time::timeout(retry.within, tries).await {
            Ok(fetched) => fetched,
            Err(_) => Err(ProviderError {
                kind: ErrorKind::Timeout,
                status: None,
                message: format!("no usable answer within {:?}", retry.within),
                retry_after: None,
                body: None,
            }),
        }
    }

    async fn commit(&self, scan: &mut Scan, fetched: Fetched) -> Result<(), StoreError> {
        let Fetched { mut page, requests } = fetched;
        self.settle_statistics(scan, &mut page).await?;
        let checkpoint = next_checkpoint(&scan.checkpoint, &page);
        for rejected in &page.rejected {
            tracing::warn!(
                scan.id,
                record.id = rejected.id,
                "a {} was kept out: {}",
                rejected.object,
                rejected.reason
            );
        }
        let commit = PageCommit {
            page: scan.checkpoint.next_page,
            records: &page.records,
            rejected: &page.rejected,
            checkpoint: &checkpoint,
            requests,
            lease: self.lease(),
        };
        let committed = self.store.commit_page(scan, &commit).await?;
        metrics::counter!("syncline_pages_total", "object" => scan.object.as_str()).increment(1);
        metrics::counter!("syncline_records_read_total", "object" => scan.object.as_str())
            .increment(u64::try_from(page.returned).unwrap_or_default());
        for own in committed {
            let written = u64::try_from(own.created + own.updated).unwrap_or_default();
            metrics::counter!("syncline_rows_written_total", "object" => own.object.as_str())
                .increment(written);
        }
        scan.checkpoint = checkpoint;
        Ok(())
    }

    /// A statistic that the provider is still computing doesn't erase the one that is known.
    async fn settle_statistics(&self, scan: &Scan, page: &mut Page) -> Result<(), StoreError> {
        if !page.loading.is_empty() {
            let known = self
                .store
                .raw_data(scan, Object::Sequence, &page.loading)
                .await?;
            self.providers
                .get(scan.connection.provider)
                .settle(page, &known);
        }
        Ok(())
    }

    /// Ends or puts off a scan whose next page can't be had.
    async fn end(
        &self,
        scan: &Scan,
        credentials: &Credentials,
        error: ProviderError,
        requests: i64,
    ) -> Result<ScanEnd, StoreError> {
        let pause = match error.kind {
            ErrorKind::RateLimited(window) => {
                return self.wait_for_window(scan, window, &error, requests).await;
            }
            ErrorKind::Unauthorized => self.pause_for_rejected_key(scan, credentials).await,
            ErrorKind::Forbidden => Some(Pause::Object {
                reason: format!("Forbidden: {}", error.message),
            }),
            _ => None,
        };
        let failure = Failure {
            pause,
            requests,
            ..Failure::new(error.to_string())
        };
        self.fail(scan, &failure).await
    }

    async fn wait_for_window(
        &self,
        scan: &Scan,
        window: Window,
        error: &ProviderError,
        requests: i64,
    ) -> Result<ScanEnd, StoreError> {
        let after = error.retry_after.unwrap_or(match window {
            Window::AlreadyProcessing => Duration::from_secs(5),
            Window::Minute | Window::Unknown => Duration::from_mins(1),
            Window::Hour => Duration::from_mins(15),
            Window::Day => Duration::from_hours(1),
        });
        let after = after.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let until = resume_at(self.clock.now(), after);
        let state = running(scan)
            .wait(until, WaitReason::ProviderRateLimit)
            .expect("a leased scan's runs are running");
        tracing::info!(scan.id, %until, "scan {} waits: {}", scan.id, error.message);
        self.store.save_waiting(scan, &state, requests).await?;
        Ok(ScanEnd::Waiting)
    }

    /// One 401 may be the provider's mistake, so the key is asked about once more.
    async fn pause_for_rejected_key(
        &self,
        scan: &Scan,
        credentials: &Credentials,
    ) -> Option<Pause> {
        let provider = self.providers.get(scan.connection.provider);
        match provider.check(credentials).await {
            KeyCheck::Rejected { reason } => Some(Pause::Connection {
                reason: format!("Connection no longer authenticated: {reason}"),
            }),
            KeyCheck::Valid | KeyCheck::Unclear { .. } => None,
        }
    }
}

/// Where the scan stands after `page`, and what it noticed on it.
fn next_checkpoint(before: &Checkpoint, page: &Page) -> Checkpoint {
    let facts = &before.facts;
    let shrank = facts
        .records_reported
        .zip(page.reported_total)
        .is_some_and(|(before, now)| now < before);
    let without_id = |of_scanned: bool| {
        let rejected = page.rejected.iter().filter(|rejected| {
            let scanned = rejected.object == rejected.object.scanned_as();
            rejected.id.is_none() && scanned == of_scanned
        });
        i64::try_from(rejected.count()).unwrap_or_default()
    };
    Checkpoint {
        next_page: page.next.unwrap_or(before.next_page + 1),
        facts: ScanFacts {
            reached_end: page.next.is_none(),
            records_reported: page.reported_total.or(facts.records_reported),
            total_shrank: facts.total_shrank || shrank,
            rejected_without_id: facts.rejected_without_id + without_id(true),
            carried_rejected_without_id: facts.carried_rejected_without_id + without_id(false),
        },
    }
}
