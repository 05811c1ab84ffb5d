//! One step of a scan: requests a page, writes the one that came before, or ends the scan.
//!
//! A page is requested while the one before it is written, where a permit for it was reserved; the
//! answer waits in memory for the next step (`LeasedScan::in_hand`). Pages are written in their order.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use syncline_model::{
    Checkpoint, Object,
    mutation::{self, Mutation},
};
use syncline_providers::{Call, Credentials, Page, Provider};
use syncline_store::{PageCommit, PageCommitted, Permit, Scan, StoreError};

use crate::{
    AskAhead, Engine,
    exchange::{Answer, Asked, Exchange},
    leased_scan::LeasedScan,
    other_thread::OtherThread,
    report,
    scan::{ScanEnd, Step},
    seen::{PageNovelty, Seen},
    spending::Permission,
};

/// How often a page is requested that comes with an earlier page's records.
const ASKS_OF_A_REPEATED_PAGE: u32 = 3;

/// After this many consecutive full pages without new records the list must be going in a circle,
/// even if it never returns the same page twice.
const MAX_PAGES_WITHOUT_NEW_RECORDS: u32 = 3;

impl Engine {
    /// Sends one request of the scan, or ends it.
    pub fn step<'a>(
        &'a self,
        leased: &'a mut LeasedScan,
    ) -> BoxFuture<'a, Result<Step, StoreError>> {
        async move {
            // A newer process on the same database may know more providers than this one. It can lease
            // the scan when this lease has expired.
            if let Err(unknown) = self.providers.get(leased.scan.connection.provider) {
                tracing::warn!("this scan is left to other processes: {unknown}");
                return Ok(Step::End(ScanEnd::Abandoned));
            }
            if let Some(Answer { page, exchange }) = leased.in_hand.take() {
                return self.take_page(leased, page, exchange).await;
            }
            let facts = &leased.scan.checkpoint.facts;
            if facts.reached_end || facts.capped {
                return self.conclude(leased).await;
            }
            let credentials = match self.credentials_of(leased).await? {
                Ok(credentials) => credentials,
                Err(step) => return Ok(step),
            };
            self.begin(leased, &credentials).await?;
            match self.permit_page(leased).await? {
                Permission::Permit(permit) => {
                    let asked = self
                        .ask(&leased.scan, &leased.scan.checkpoint, &credentials, permit)
                        .await;
                    self.hold(leased, &credentials, asked).await
                }
                Permission::Wait(refusal) => {
                    let end = self.wait(leased, refusal.until, refusal.reason).await?;
                    Ok(Step::End(end))
                }
                Permission::Capped => {
                    let facts = &mut leased.scan.checkpoint.facts;
                    // The total on a single page may just be that page's own length.
                    facts.reached_end = facts.pages > 1 && facts.totals_are_met();
                    facts.capped = !facts.reached_end;
                    self.conclude(leased).await
                }
            }
        }
        .boxed()
    }

    pub(crate) fn provider_of(&self, scan: &Scan) -> &dyn Provider {
        &**self.shared_provider_of(scan)
    }

    pub(crate) fn shared_provider_of(&self, scan: &Scan) -> &Arc<dyn Provider> {
        let provider = self.providers.get(scan.connection.provider);
        provider.expect("a scan of an unknown provider is abandoned before its first request")
    }

    /// Before the worker's first request: finds the account whose budget it uses. Before the scan's
    /// first request: chooses what is read, and in which order.
    async fn begin(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
    ) -> Result<(), StoreError> {
        if std::mem::replace(&mut leased.has_begun, true) {
            return Ok(());
        }
        let scan = &mut leased.scan;
        if scan.checkpoint == Checkpoint::default() {
            scan.checkpoint.order = self.first_order(scan);
            let can_be_incremental = self.provider_of(scan).support(scan.object).incremental;
            scan.checkpoint.since = scan.since.clone().filter(|_| can_be_incremental);
        }
        if scan.account.known {
            return Ok(());
        }
        leased.requests += 1;
        // An error is ignored here; it will appear again with the first page.
        if let Ok(team) = self.provider_of(scan).account(credentials).await
            // Tokens change, so nothing is named after them a second time.
            && (team.is_some() || matches!(credentials, Credentials::ApiKey(_)))
        {
            let name = scan.connection.provider;
            let account_id = syncline_providers::account_id(name, team.as_deref(), credentials);
            self.store.learn_account(scan, account_id).await?;
        }
        Ok(())
    }

    /// Writes a page, unless it repeats an earlier one, and meanwhile asks for the one after it.
    async fn take_page(
        &self,
        leased: &mut LeasedScan,
        mut page: Page,
        exchange: Exchange,
    ) -> Result<Step, StoreError> {
        let exchange = exchange.not_after(self.clock.now());
        let ids = ids_of(&page, leased.scan.object);
        let news = self.seen(leased).await?.novelty_of(&ids);
        if news == PageNovelty::Repeated {
            return self.take_repeated(leased, &page, exchange).await;
        }
        let is_barren = news == PageNovelty::Nothing && self.is_full(&leased.scan, &page);
        let barren = if is_barren {
            leased.pages_without_new_records + 1
        } else {
            0
        };
        self.settle_statistics(&leased.scan, &mut page).await?;
        let checkpoint = self.next_checkpoint(&leased.scan, &page, exchange.asked_at);
        let stalls = barren == MAX_PAGES_WITHOUT_NEW_RECORDS && !checkpoint.facts.reached_end;
        let ahead = if stalls {
            None
        } else {
            self.permit_ahead(leased, &checkpoint, &page.usage).await?
        };
        let (asked, credentials) = self
            .commit_and_ask(leased, &page, exchange, checkpoint, ahead)
            .await?;
        if let Some(seen) = &mut leased.seen {
            seen.committed(&ids, &leased.scan.checkpoint);
        }
        leased.repeats = 0;
        leased.pages_without_new_records = barren;
        if stalls {
            let error = format!(
                "{MAX_PAGES_WITHOUT_NEW_RECORDS} pages in a row, up to page {}, contained only records of \
                 earlier pages",
                leased.scan.checkpoint.next_page - 1
            );
            return Ok(Step::End(self.stall(leased, &error).await?));
        }
        match credentials {
            Some(credentials) => self.hold(leased, &credentials, asked).await,
            None => Ok(Step::Continue),
        }
    }

    /// Writes the page, and asks for the next one if there is a permit for it.
    async fn commit_and_ask(
        &self,
        leased: &mut LeasedScan,
        page: &Page,
        mut exchange: Exchange,
        checkpoint: Checkpoint,
        ahead: Option<(Permit, Credentials)>,
    ) -> Result<(Option<Asked>, Option<Credentials>), StoreError> {
        let scan = &leased.scan;
        if let Some((later, _)) = &ahead {
            exchange.permit = exchange.permit.known_since(later);
        }
        let (permit, credentials) = ahead.unzip();
        let ask = permit
            .zip(credentials.as_ref())
            .map(|(permit, credentials)| self.ask(scan, &checkpoint, credentials, permit));
        let reserve = match &credentials {
            _ if self.leaves(leased) => Reserve::Nothing,
            None => Reserve::NextPage,
            Some(_) => Reserve::PageAfterNext,
        };
        let commit = self.commit(scan, page, &exchange, &checkpoint, leased.requests, reserve);
        let (committed, asked) = match (ask, self.config.ask_ahead) {
            (None, _) => (commit.await, None),
            (Some(ask), AskAhead::Meanwhile) => {
                // On another thread, because reading an answer takes as long as writing one.
                let asking = OtherThread::start(ask);
                (commit.await, asking.outcome().await.flatten())
            }
            (Some(ask), AskAhead::Before) => {
                let asked = ask.await;
                (commit.await, asked)
            }
        };
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                // What was asked for ahead is lost as well.
                if let Some(asked) = asked {
                    self.settle_lost(scan, asked).await?;
                }
                return Err(error);
            }
        };
        report::page(scan, page.returned, &committed.written);
        leased.requests = 0;
        leased.decision = committed.next;
        leased.decided_at = self.clock.now();
        if !mutation::on(Mutation::LimitsOfTheLease) {
            leased.scan.limits = committed.limits;
        }
        leased.scan.checkpoint = checkpoint;
        if leased.scan.checkpoint.facts.reached_end {
            // Reserved in case that there was another page.
            self.drop_permit(leased).await?;
        }
        Ok((asked, credentials))
    }

    /// What the scan's pass has seen; loaded from the database if another worker began it.
    async fn seen<'w>(&self, leased: &'w mut LeasedScan) -> Result<&'w Seen, StoreError> {
        let checkpoint = &leased.scan.checkpoint;
        let known = leased.seen.take().filter(|seen| seen.is_at(checkpoint));
        let seen = match known {
            Some(seen) => seen,
            None if checkpoint.next_page == 1 => Seen::nothing(checkpoint),
            None => Seen::by(checkpoint, self.store.pages_read(&leased.scan).await?),
        };
        Ok(leased.seen.insert(seen))
    }

    pub(crate) fn is_full(&self, scan: &Scan, page: &Page) -> bool {
        let size = self.provider_of(scan).support(scan.object).page_size;
        size.is_some_and(|size| page.served >= i64::from(size))
    }

    async fn take_repeated(
        &self,
        leased: &mut LeasedScan,
        page: &Page,
        exchange: Exchange,
    ) -> Result<Step, StoreError> {
        let endpoint = self.list_endpoint(&leased.scan);
        self.store
            .settle(&exchange.spending(page, endpoint))
            .await?;
        leased.scan.checkpoint.records_asked += page.served;
        leased.repeats += 1;
        if leased.repeats < ASKS_OF_A_REPEATED_PAGE {
            let after = self.config.retry.first_delay;
            let what = format!("page {}", leased.scan.checkpoint.next_page);
            report::retry(
                &leased.scan,
                &what,
                &"it contained only records of earlier pages",
                after,
            );
            return Ok(Step::Again { after });
        }
        let facts = &mut leased.scan.checkpoint.facts;
        if !facts.more_is_reported() {
            // It was only requested in case there is more than the provider reports.
            facts.reached_end = true;
            return Ok(Step::Continue);
        }
        let error = format!(
            "page {} contained only an earlier page's records, {ASKS_OF_A_REPEATED_PAGE} times",
            leased.scan.checkpoint.next_page
        );
        Ok(Step::End(self.stall(leased, &error).await?))
    }

    async fn commit(
        &self,
        scan: &Scan,
        page: &Page,
        exchange: &Exchange,
        checkpoint: &Checkpoint,
        requests: i64,
        reserve: Reserve,
    ) -> Result<PageCommitted, StoreError> {
        report_rejected(page);
        let next = |limits| {
            let limits = if mutation::on(Mutation::LimitsOfTheLease) {
                scan.limits
            } else {
                limits
            };
            let limits = self.config.limits.of(scan.connection.provider, limits);
            match reserve {
                Reserve::Nothing => None,
                Reserve::NextPage if checkpoint.facts.reached_end => None,
                Reserve::NextPage => self.next_ask(scan, checkpoint, limits),
                Reserve::PageAfterNext => {
                    let after = self.after_one_more(scan, checkpoint)?;
                    self.next_ask(scan, &after, limits)
                }
            }
        };
        let spending = exchange.spending(page, self.list_endpoint(scan));
        let commit = PageCommit {
            pass: scan.checkpoint.pass,
            page: scan.checkpoint.next_page,
            asked_at: exchange.asked_at,
            records: &page.records,
            rejected: &page.rejected,
            checkpoint,
            requests,
            lease: self.lease(),
            spending: &spending,
            next: &next,
        };
        match self.store.commit_page(scan, &commit).await {
            Ok(committed) => Ok(committed),
            Err(error) => {
                self.settle_unwritten(scan, page, exchange).await?;
                Err(error)
            }
        }
    }

    pub(crate) fn list_endpoint(&self, scan: &Scan) -> &'static str {
        self.provider_of(scan).endpoint(Call::List(scan.object))
    }

    /// Keeps the stored statistics while the provider is still computing new ones.
    async fn settle_statistics(&self, scan: &Scan, page: &mut Page) -> Result<(), StoreError> {
        if !page.loading.is_empty() {
            let known = self
                .store
                .raw_data(scan, Object::Sequence, &page.loading)
                .await?;
            self.provider_of(scan).settle(page, &known);
        }
        Ok(())
    }
}

/// What is reserved in a page's transaction.
#[derive(Clone, Copy)]
enum Reserve {
    Nothing,
    NextPage,
    /// The next page is being asked for.
    PageAfterNext,
}

/// The ids on a page, including those of rejected records.
fn ids_of(page: &Page, object: Object) -> Vec<String> {
    let kept_out = page.rejected.iter().filter(|it| it.object == object);
    let mapped = page.records.scanned().into_iter().map(|(id, _)| id);
    mapped
        .chain(kept_out.filter_map(|it| it.id.as_deref()))
        .map(str::to_owned)
        .collect()
}

fn report_rejected(page: &Page) {
    for rejected in &page.rejected {
        tracing::warn!(
            record.id = rejected.id,
            "a {} was rejected: {}",
            rejected.object,
            rejected.reason
        );
    }
}
