//! One step of a scan: requests a page and writes it, or ends the scan.

use std::time::Duration;

use syncline_model::{
    Checkpoint, Object, Order, ScanFacts, Time,
    mutation::{self, Mutation},
};
use syncline_providers::{Call, Credentials, ListRequest, Page, Provider, ProviderError, counted};
use syncline_store::{PageCommit, Permit, Scan, Spending, StoreError};

use crate::{
    Engine,
    leased_scan::LeasedScan,
    report,
    scan::{ScanEnd, Step},
    seen::{PageNovelty, Seen},
    spending::Permission,
};

/// How long a shutdown waits for the response in flight.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// How often a page is requested that comes with an earlier page's records.
const ASKS_OF_A_REPEATED_PAGE: u32 = 3;

/// After this many consecutive full pages without new records the list must be going in a circle,
/// even if it never returns the same page twice.
const MAX_PAGES_WITHOUT_NEW_RECORDS: u32 = 3;

/// The page that a scan reads next.
pub(crate) fn page_at(checkpoint: &Checkpoint) -> ListRequest<'_> {
    ListRequest {
        page: checkpoint.next_page,
        token: checkpoint.token.as_deref(),
        since: checkpoint.since.as_ref(),
        order: checkpoint.order,
    }
}

impl Engine {
    /// Sends one request of the scan, or ends it.
    pub async fn step(&self, leased: &mut LeasedScan) -> Result<Step, StoreError> {
        // A newer process on the same database may know more providers than this one. It can lease
        // the scan when this lease has expired.
        if let Err(unknown) = self.providers.get(leased.scan.connection.provider) {
            tracing::warn!("this scan is left to other processes: {unknown}");
            return Ok(Step::End(ScanEnd::Abandoned));
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
            Permission::Permit(permit) => self.read_page(leased, &credentials, permit).await,
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

    pub(crate) fn provider_of(&self, scan: &Scan) -> &dyn Provider {
        let provider = self.providers.get(scan.connection.provider);
        &**provider.expect("a scan of an unknown provider is abandoned before its first request")
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

    async fn read_page(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
        permit: Permit,
    ) -> Result<Step, StoreError> {
        let asked_at = self.clock.now();
        leased.requests += 1;
        leased.tries_from(asked_at);
        let (answer, repeated) = tokio::select! {
            answer = counted(self.ask(&leased.scan, credentials)) => answer,
            () = self.grace_is_over() => return Ok(Step::End(self.release_lease(leased).await)),
        };
        leased.requests += repeated;
        let answered_at = if mutation::on(Mutation::StampAtRequest) {
            asked_at
        } else {
            self.clock.now()
        };
        match answer {
            Ok(page) => {
                leased.answered();
                let exchange = Exchange {
                    permit,
                    asked_at,
                    answered_at,
                };
                self.take_page(leased, page, exchange).await
            }
            Err(error) => {
                self.settle_failure(&leased.scan, Call::List(leased.scan.object), permit, &error)
                    .await?;
                self.after_failure(leased, credentials, error).await
            }
        }
    }

    async fn ask(&self, scan: &Scan, credentials: &Credentials) -> Result<Page, ProviderError> {
        let request = page_at(&scan.checkpoint);
        self.provider_of(scan)
            .list(credentials, scan.object, request)
            .await
    }

    async fn grace_is_over(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(GRACE_PERIOD).await;
    }

    /// Writes a page, unless it repeats an earlier one.
    async fn take_page(
        &self,
        leased: &mut LeasedScan,
        page: Page,
        exchange: Exchange,
    ) -> Result<Step, StoreError> {
        let ids = ids_of(&page, leased.scan.object);
        let news = self.seen(leased).await?.novelty_of(&ids);
        if news == PageNovelty::Repeated {
            return self.take_repeated(leased, &page, exchange).await;
        }
        let is_barren = news == PageNovelty::Nothing && self.is_full(&leased.scan, &page);
        self.commit(leased, page, exchange).await?;
        if let Some(seen) = &mut leased.seen {
            seen.committed(&ids, &leased.scan.checkpoint);
        }
        leased.repeats = 0;
        leased.pages_without_new_records = if is_barren {
            leased.pages_without_new_records + 1
        } else {
            0
        };
        if leased.pages_without_new_records == MAX_PAGES_WITHOUT_NEW_RECORDS
            && !leased.scan.checkpoint.facts.reached_end
        {
            let error = format!(
                "{MAX_PAGES_WITHOUT_NEW_RECORDS} pages in a row, up to page {}, contained only records of \
                 earlier pages",
                leased.scan.checkpoint.next_page - 1
            );
            return Ok(Step::End(self.stall(leased, &error).await?));
        }
        Ok(Step::Continue)
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

    fn is_full(&self, scan: &Scan, page: &Page) -> bool {
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
        leased: &mut LeasedScan,
        mut page: Page,
        exchange: Exchange,
    ) -> Result<(), StoreError> {
        let scan = &leased.scan;
        self.settle_statistics(scan, &mut page).await?;
        let checkpoint = self.next_checkpoint(scan, &page, exchange.asked_at);
        report_rejected(&page);
        let next = |limits| {
            let limits = if mutation::on(Mutation::LimitsOfTheLease) {
                scan.limits
            } else {
                limits
            };
            let limits = self.config.limits.of(scan.connection.provider, limits);
            let more = !checkpoint.facts.reached_end;
            more.then(|| self.next_ask(scan, &checkpoint, limits))
                .flatten()
        };
        let spending = exchange.spending(&page, self.list_endpoint(scan));
        let commit = PageCommit {
            pass: scan.checkpoint.pass,
            page: scan.checkpoint.next_page,
            asked_at: exchange.asked_at,
            records: &page.records,
            rejected: &page.rejected,
            checkpoint: &checkpoint,
            requests: leased.requests,
            lease: self.lease(),
            spending: &spending,
            next: &next,
        };
        let committed = match self.store.commit_page(scan, &commit).await {
            Ok(committed) => committed,
            Err(error) => {
                // The page is lost, but its records were read and count.
                self.store.settle(&spending).await?;
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
        Ok(())
    }

    fn list_endpoint(&self, scan: &Scan) -> &'static str {
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

    /// The checkpoint after `page`, with what was noticed on it. If the first page reports more
    /// records than may be read, or fewer than expected, the scan starts over in the other order.
    fn next_checkpoint(&self, scan: &Scan, page: &Page, asked_at: Time) -> Checkpoint {
        let before = &scan.checkpoint;
        let after = Checkpoint {
            next_page: before.next_page + 1,
            token: page.next.as_ref().and_then(|next| next.token.clone()),
            watermark: match before.next_page {
                1 => page.watermark.clone(),
                _ => before.watermark.clone(),
            },
            records_asked: before.records_asked + page.served,
            began_at: before.began_at.or(Some(asked_at)),
            reported: page.reported_total.or(before.reported),
            facts: self.facts_after(scan, page, asked_at),
            ..before.clone()
        };
        let order = page.reported_total.map(|total| self.order_for(scan, total));
        match order {
            Some(order) if before.next_page == 1 && before.pass == 1 && order != before.order => {
                after.again(order)
            }
            _ => after,
        }
    }

    /// The facts of the pass after `page`.
    fn facts_after(&self, scan: &Scan, page: &Page, asked_at: Time) -> ScanFacts {
        let before = &scan.checkpoint;
        let without_id = |of_scanned: bool| {
            let rejected = page.rejected.iter().filter(|rejected| {
                let scanned = rejected.object == scan.object;
                rejected.id.is_none() && scanned == of_scanned
            });
            i64::try_from(rejected.count()).unwrap_or_default()
        };
        let mut facts = before.facts;
        facts.pages += 1;
        facts.began = facts.began.or(Some(page.provider_time.unwrap_or(asked_at)));
        facts.recent_first = before.order == Order::RecentFirst;
        facts.ordered = page.has_order && !facts.recent_first;
        facts.note_total(page.reported_total);
        let doubtful = facts.totals_are_doubtful() && !mutation::on(Mutation::TrustTotal);
        facts.reached_end = page.next.is_none() && !(self.is_full(scan, page) && doubtful);
        let created = page.records.scanned();
        facts.note_created(created.into_iter().filter_map(|(_, created)| created));
        facts.reached_end |=
            facts.ordered && facts.out_of_order && mutation::on(Mutation::TrustOrder);
        let of_scanned = page
            .rejected
            .iter()
            .filter(|rejected| rejected.object == scan.object);
        facts.rejected += i64::try_from(of_scanned.count()).unwrap_or_default();
        facts.rejected_without_id += without_id(true);
        facts.carried_rejected_without_id += without_id(false);
        facts.returned += page.returned;
        facts.may_have_shifted |= page.may_have_shifted;
        facts
    }
}

/// A request and its response.
struct Exchange {
    permit: Permit,
    asked_at: Time,
    answered_at: Time,
}

impl Exchange {
    fn spending<'p>(&self, page: &'p Page, endpoint: &'p str) -> Spending<'p> {
        Spending {
            permit: self.permit.clone(),
            records: Some(page.served),
            at: self.answered_at,
            endpoint,
            usage: &page.usage,
            refused: None,
        }
    }
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
