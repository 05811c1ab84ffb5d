//! Asking for a page: the request, its answer until it is written, and what both cost.

use std::time::Duration;

use syncline_model::{
    Checkpoint, Time,
    mutation::{self, Mutation},
};
use syncline_providers::{Call, Credentials, ListRequest, Page, ProviderError, counted};
use syncline_store::{Permit, Scan, Spending, StoreError};

use crate::{Engine, leased_scan::LeasedScan, scan::Step};

/// How long a shutdown waits for the response in flight.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// The page that a scan reads next.
pub(crate) fn page_at(checkpoint: &Checkpoint) -> ListRequest<'_> {
    ListRequest {
        page: checkpoint.next_page,
        token: checkpoint.token.as_deref(),
        since: checkpoint.since.as_ref(),
        order: checkpoint.order,
    }
}

/// A page that is not written yet.
pub(crate) struct Answer {
    pub(crate) page: Page,
    pub(crate) exchange: Exchange,
}

/// A request with what came of it.
pub(crate) struct Asked {
    answer: Result<Page, ProviderError>,
    exchange: Exchange,
    /// Repetitions included.
    requests: i64,
}

/// A request's permit and times.
pub(crate) struct Exchange {
    pub(crate) permit: Permit,
    pub(crate) asked_at: Time,
    answered_at: Time,
}

impl Exchange {
    /// The clock may have been ahead when the answer came.
    pub(crate) fn not_after(self, now: Time) -> Self {
        Self {
            asked_at: self.asked_at.min(now),
            answered_at: self.answered_at.min(now),
            ..self
        }
    }

    pub(crate) fn spending<'p>(&self, page: &'p Page, endpoint: &'p str) -> Spending<'p> {
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

impl Engine {
    /// Requests the page at this checkpoint. `None` if this process is shutting down and can't wait
    /// for the answer.
    pub(crate) fn ask(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
        credentials: &Credentials,
        permit: Permit,
    ) -> impl Future<Output = Option<Asked>> + Send + use<> {
        let (engine, object) = (self.clone(), scan.object);
        let provider = self.shared_provider_of(scan).clone();
        let (checkpoint, credentials) = (checkpoint.clone(), credentials.clone());
        async move {
            let asked_at = engine.clock.now();
            let list = provider.list(&credentials, object, page_at(&checkpoint));
            let (answer, repeated) = tokio::select! {
                answer = counted(list) => answer,
                () = engine.grace_is_over() => return None,
            };
            let answered_at = if mutation::on(Mutation::StampAtRequest) {
                asked_at
            } else {
                engine.clock.now()
            };
            Some(Asked {
                answer,
                requests: 1 + repeated,
                exchange: Exchange {
                    permit,
                    asked_at,
                    answered_at,
                },
            })
        }
    }

    /// Keeps the answer for the next step, or settles the failure.
    pub(crate) async fn hold(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
        asked: Option<Asked>,
    ) -> Result<Step, StoreError> {
        let Some(asked) = asked else {
            return Ok(Step::End(self.release_lease(leased).await));
        };
        let exchange = asked.exchange;
        leased.requests += asked.requests;
        leased.tries_from(exchange.asked_at);
        match asked.answer {
            Ok(page) => {
                leased.answered();
                leased.in_hand = Some(Answer { page, exchange });
                Ok(Step::Continue)
            }
            Err(error) => {
                let (scan, call) = (&leased.scan, Call::List(leased.scan.object));
                self.settle_failure(scan, call, exchange.permit, &error)
                    .await?;
                self.after_failure(leased, credentials, error).await
            }
        }
    }

    /// Settles a page that is not written: its records were read, and will be again.
    pub(crate) async fn drop_in_hand(&self, leased: &mut LeasedScan) -> Result<(), StoreError> {
        let Some(Answer { page, exchange }) = leased.in_hand.take() else {
            return Ok(());
        };
        self.settle_unwritten(&leased.scan, &page, &exchange).await
    }

    /// The records of a page count, although it is not written.
    pub(crate) async fn settle_unwritten(
        &self,
        scan: &Scan,
        page: &Page,
        exchange: &Exchange,
    ) -> Result<(), StoreError> {
        let mut spending = exchange.spending(page, self.list_endpoint(scan));
        if mutation::on(Mutation::LostPageIsFree) {
            spending.records = Some(0);
        }
        self.store.settle(&spending).await
    }

    /// The same for what was asked for ahead.
    pub(crate) async fn settle_lost(&self, scan: &Scan, asked: Asked) -> Result<(), StoreError> {
        let Asked {
            answer, exchange, ..
        } = asked;
        match answer {
            Ok(page) => self.settle_unwritten(scan, &page, &exchange).await,
            Err(error) => {
                let call = Call::List(scan.object);
                self.settle_failure(scan, call, exchange.permit, &error)
                    .await
            }
        }
    }

    async fn grace_is_over(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(GRACE_PERIOD).await;
    }
}
