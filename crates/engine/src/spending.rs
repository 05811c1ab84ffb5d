//! Permits: every request for records needs one.
//!
//! A page's permit is reserved in the transaction of the page two before it, so that it can be asked for
//! while the one before it is written; only a worker's first requests, and one after a pause, reserve
//! separately. See `store/src/budgets.rs`.

use chrono::TimeDelta;
use syncline_model::{
    CLOCKS_DIFFER_BY, Checkpoint, Credentials, Object, Order, RequestWindow, Time, Verdict,
    VolumeLimits, WaitReason, WindowUsage,
    budget::Refusal,
    mutation::{self, Mutation},
};
use syncline_providers::{ANSWER_WITHIN, Call, ErrorKind, ProviderError, Window};
use syncline_store::{Permit, PermitDecision, PermitRequest, Scan, Spending, StoreError};

use crate::{
    Engine,
    exchange::page_at,
    leased_scan::LeasedScan,
    report,
    scan::{ScanEnd, resume_at, running},
};

/// How many records a list without pages may have gained since it was last read.
const GROWTH: i64 = 100;

/// A permit for the scan's next request, or why there is none.
pub(crate) enum Permission {
    Permit(Permit),
    Wait(Refusal),
    /// The limit of records per object is reached.
    Capped,
}

impl Engine {
    /// The limits of the scan's connection.
    pub(crate) fn limits_of(&self, scan: &Scan) -> VolumeLimits {
        self.config.limits.of(scan.connection.provider, scan.limits)
    }

    /// A permit for the next page: the one reserved with the last page, or a new one.
    pub(crate) async fn permit_page(
        &self,
        leased: &mut LeasedScan,
    ) -> Result<Permission, StoreError> {
        let limits = self.limits_by_now(leased).await?;
        let Some(records) = self.page_records(&leased.scan, &limits).await? else {
            self.drop_permit(leased).await?;
            return Ok(Permission::Capped);
        };
        let ask = self.list_ask(&leased.scan, &leased.scan.checkpoint, records, limits);
        self.permit(leased, &ask).await
    }

    /// A permit for the page at this checkpoint while the one before it is written, with credentials
    /// for its request; `None` if it has to wait until then.
    pub(crate) async fn permit_ahead(
        &self,
        leased: &mut LeasedScan,
        next: &Checkpoint,
        usage: &[WindowUsage],
    ) -> Result<Option<(Permit, Credentials)>, StoreError> {
        let permit = self.reserved_ahead(leased, next, usage).await?;
        if permit.is_none() {
            // It is reserved with the page that is written, by what is known then.
            self.drop_permit(leased).await?;
        }
        Ok(permit)
    }

    async fn reserved_ahead(
        &self,
        leased: &mut LeasedScan,
        next: &Checkpoint,
        usage: &[WindowUsage],
    ) -> Result<Option<(Permit, Credentials)>, StoreError> {
        // In a pass that starts over in the other order, the page that is written isn't the one before.
        let starts_over = next.pass != leased.scan.checkpoint.pass;
        if self.leaves(leased) || starts_over || next.facts.reached_end || next.facts.capped {
            return Ok(None);
        }
        let is_reserved = self.has_answer(leased);
        if !is_reserved && !next.facts.more_is_reported() {
            return Ok(None);
        }
        let limits = self.limits_by_now(leased).await?;
        let Some(ask) = self.next_ask(&leased.scan, next, limits) else {
            return Ok(None);
        };
        // What the permit didn't know yet.
        if !usage.iter().all(|window| window.leaves_room_for(ask.cost)) {
            return Ok(None);
        }
        let Ok(credentials) = leased.scan.credentials.clone() else {
            return Ok(None);
        };
        let connection_id = &leased.scan.connection.connection_id;
        if self.tokens.are_due(connection_id, &credentials) {
            return Ok(None);
        }
        if !is_reserved {
            // Nothing was reserved with a page before it.
            self.drop_permit(leased).await?;
            let decision = self.store.reserve(&leased.scan.account.id, &ask).await?;
            leased.decision = Some(decision);
            leased.decided_at = self.clock.now();
        }
        match leased.decision.take() {
            Some(PermitDecision::Permit(permit)) => Ok(Some((permit, credentials))),
            _ => Ok(None),
        }
    }

    /// Whether the worker releases the scan as soon as nothing is in hand.
    pub(crate) fn leaves(&self, leased: &LeasedScan) -> bool {
        leased.yields || self.shutdown.is_cancelled()
    }

    /// A permit for the lookup of one record.
    pub(crate) async fn permit_lookup(
        &self,
        leased: &mut LeasedScan,
        object: Object,
    ) -> Result<Permission, StoreError> {
        let limits = self.limits_by_now(leased).await?;
        if !limits.object_allows(leased.scan.checkpoint.records_asked, 1) {
            self.drop_permit(leased).await?;
            return Ok(Permission::Capped);
        }
        let ask = PermitRequest {
            endpoint: self.provider_of(&leased.scan).endpoint(Call::Get(object)),
            cost: 1,
            ..self.list_ask(&leased.scan, &leased.scan.checkpoint, 1, limits)
        };
        self.permit(leased, &ask).await
    }

    /// The current limits of the scan's connection. If a permit was reserved with the last page,
    /// that page's transaction has already read them.
    async fn limits_by_now(&self, leased: &mut LeasedScan) -> Result<VolumeLimits, StoreError> {
        if !self.has_answer(leased) && !mutation::on(Mutation::LimitsOfTheLease) {
            leased.scan.limits = self.store.limits_of(&leased.scan).await?;
        }
        Ok(self.limits_of(&leased.scan))
    }

    /// Whether the result of the reservation with the last page is still valid. If it lies in the
    /// future, the clock went back: a permit would be valid for too long, and a refusal would
    /// postpone the scan until a time that is too late.
    fn has_answer(&self, leased: &LeasedScan) -> bool {
        let now = self.clock.now();
        let of_the_future = leased.decided_at > now + CLOCKS_DIFFER_BY;
        !of_the_future
            && match &leased.decision {
                Some(PermitDecision::Permit(permit)) => now <= permit.send_by,
                Some(PermitDecision::Refused(_)) => true,
                None => false,
            }
    }

    async fn permit(
        &self,
        leased: &mut LeasedScan,
        ask: &PermitRequest<'_>,
    ) -> Result<Permission, StoreError> {
        if self.has_answer(leased)
            && let Some(decision) = leased.decision.take()
        {
            return Ok(permission_of(decision));
        }
        self.drop_permit(leased).await?;
        let decision = self.store.reserve(&leased.scan.account.id, ask).await?;
        Ok(permission_of(decision))
    }

    /// Settles a permit that no request used.
    pub(crate) async fn drop_permit(&self, leased: &mut LeasedScan) -> Result<(), StoreError> {
        if let Some(PermitDecision::Permit(permit)) = leased.decision.take() {
            self.store
                .settle(&Spending {
                    permit,
                    records: Some(0),
                    at: self.clock.now(),
                    endpoint: "",
                    usage: &[],
                    refused: None,
                })
                .await?;
        }
        Ok(())
    }

    /// The request for the scan's next page, to be reserved with the current one. `None` if the
    /// limit allows no further page.
    pub(crate) fn next_ask(
        &self,
        scan: &Scan,
        next: &Checkpoint,
        limits: VolumeLimits,
    ) -> Option<PermitRequest<'static>> {
        let size = self.provider_of(scan).support(scan.object).page_size?;
        let allowed = limits.object_allows(next.records_asked, i64::from(size));
        allowed.then(|| self.list_ask(scan, next, i64::from(size), limits))
    }

    fn list_ask(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
        records: i64,
        limits: VolumeLimits,
    ) -> PermitRequest<'static> {
        let provider = self.provider_of(scan);
        PermitRequest {
            endpoint: provider.endpoint(Call::List(scan.object)),
            records,
            cost: provider.cost_of_page(scan.object, page_at(checkpoint)),
            limits,
            interactive: false,
            answer_within: TimeDelta::from_std(ANSWER_WITHIN).unwrap_or(TimeDelta::MAX),
        }
    }

    /// The most records that the next page can bring; `None` if the limit doesn't allow that many.
    async fn page_records(
        &self,
        scan: &Scan,
        limits: &VolumeLimits,
    ) -> Result<Option<i64>, StoreError> {
        let asked = scan.checkpoint.records_asked;
        let Some(size) = self.provider_of(scan).support(scan.object).page_size else {
            // Not all of its records may be stored.
            let read = scan.last_coverage.as_ref().map_or(0, |it| it.records_seen);
            let known = self.store.count_rows(scan).await?.max(read);
            return Ok(limits.object_allows(asked, known).then_some(known + GROWTH));
        };
        let size = i64::from(size);
        Ok(limits.object_allows(asked, size).then_some(size))
    }

    /// The order in which a new scan begins, depending on whether the last run's total exceeds the
    /// limit.
    pub(crate) fn first_order(&self, scan: &Scan) -> Order {
        let coverage = scan.last_coverage.as_ref();
        let reported = coverage.and_then(|it| it.records_reported);
        self.order_for(scan, reported.unwrap_or_default())
    }

    pub(crate) fn order_for(&self, scan: &Scan, total: i64) -> Order {
        let coverage = scan.last_coverage.as_ref();
        // The last run was capped and saw more records than the total, so totals can't be trusted.
        let read =
            coverage.filter(|it| it.verdict == Verdict::Capped && it.exceeds_reported_total());
        let total = read.map_or(total, |_| i64::MAX);
        let support = self.provider_of(scan).support(scan.object);
        let limits = self.limits_of(scan);
        let most = support.page_size.and_then(|size| {
            let pages = limits.pages_per_object(size)?;
            Some(i64::from(pages) * i64::from(size))
        });
        if support.by_recency && most.is_some_and(|most| total > most) {
            Order::RecentFirst
        } else {
            Order::OldestFirst
        }
    }

    /// After a 429: which of the provider's windows it is about, and when to retry.
    pub(crate) fn refused_until(
        &self,
        window: Window,
        error: &ProviderError,
    ) -> (RequestWindow, Time) {
        let until = resume_at(self.clock.now(), error.refused_for(window));
        (
            window.request_window().unwrap_or(RequestWindow::Minute),
            until,
        )
    }

    /// Postpones the scan. It occupies no worker meanwhile.
    pub(crate) async fn wait(
        &self,
        leased: &mut LeasedScan,
        until: Time,
        reason: WaitReason,
    ) -> Result<ScanEnd, StoreError> {
        self.drop_permit(leased).await?;
        self.sweep_so_far(leased).await?;
        let scan = &leased.scan;
        let state = running(scan)
            .wait(until, reason)
            .expect("a leased scan's runs are running");
        report::waits(scan, until, reason);
        self.store
            .save_waiting(scan, &state, leased.requests)
            .await?;
        Ok(ScanEnd::Waiting)
    }
}

fn permission_of(decision: PermitDecision) -> Permission {
    match decision {
        PermitDecision::Permit(permit) => Permission::Permit(permit),
        PermitDecision::Refused(refusal) => Permission::Wait(refusal),
    }
}

/// How many records a failed request may have cost: none if it was never sent or the provider
/// refused it; `None` (unknown) if its response was lost.
pub(crate) fn cost_of_failure(error: &ProviderError) -> Option<i64> {
    let certain = error.records;
    if mutation::on(Mutation::UnsentIsCharged) && error.kind == ErrorKind::Connection {
        return None;
    }
    if mutation::on(Mutation::LostResponseIsFree) {
        return Some(certain.unwrap_or_default());
    }
    match error.kind {
        ErrorKind::Timeout | ErrorKind::Connection | ErrorKind::InvalidResponse => certain,
        _ => Some(certain.unwrap_or_default()),
    }
}
