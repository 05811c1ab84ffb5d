//! What becomes of a scan whose request to the provider failed: it tries again, waits, pauses what may not
//! be read, or ends.

use syncline_model::{Denial, WaitReason};
use syncline_providers::{Call, Credentials, ErrorKind, ProviderError, Window};
use syncline_store::{Pause, Permit, Scan, Spending, StoreError};

use crate::{
    Engine,
    leased_scan::LeasedScan,
    report,
    scan::{Failure, Step},
    spending::cost_of_failure,
};

impl Engine {
    /// Settles the permit of a request that failed.
    pub(crate) async fn settle_failure(
        &self,
        scan: &Scan,
        call: Call,
        permit: Permit,
        error: &ProviderError,
    ) -> Result<(), StoreError> {
        let refused = match error.kind {
            // A conflict with an identical request says nothing about other requests.
            ErrorKind::RateLimited(Window::AlreadyProcessing) => None,
            ErrorKind::RateLimited(window) => Some(self.refused_until(window, error)),
            _ => None,
        };
        self.store
            .settle(&Spending {
                permit,
                records: cost_of_failure(error),
                at: self.clock.now(),
                endpoint: self.provider_of(scan).endpoint(call),
                usage: &error.usage,
                refused,
            })
            .await
    }

    /// Retries, postpones or ends a scan after its request failed.
    pub(crate) async fn after_failure(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
        error: ProviderError,
    ) -> Result<Step, StoreError> {
        if error.is_temporary() {
            let now = self.clock.now();
            if let Some(after) = leased.next_try(&self.config.retry, now) {
                let what = format!("page {}", leased.scan.checkpoint.next_page);
                report::retry(&leased.scan, &what, &error, after);
                return Ok(Step::Again { after });
            }
        }
        let pause = match error.kind {
            ErrorKind::RateLimited(window) => {
                let (_, until) = self.refused_until(window, &error);
                let reason = WaitReason::ProviderRateLimit;
                return Ok(Step::End(self.wait(leased, until, reason).await?));
            }
            ErrorKind::Unauthorized => {
                return self
                    .after_rejection(leased, credentials, error.to_string())
                    .await;
            }
            ErrorKind::Forbidden(denial) => Some(Pause::Object {
                denial,
                reason: denial_in_words(denial, &error, credentials),
            }),
            _ => None,
        };
        let failure = Failure {
            pause,
            resumable: error.is_temporary(),
            ..Failure::new(error.to_string())
        };
        Ok(Step::End(self.fail(leased, &failure).await?))
    }
}

fn denial_in_words(denial: Denial, error: &ProviderError, credentials: &Credentials) -> String {
    let said = &error.message;
    match (denial, credentials) {
        (Denial::Plan, _) => format!("The account's plan does not include it: {said}"),
        (Denial::KeyScope, Credentials::ApiKey(_)) => format!(
            "The API key may not read it; one with a wider scope, or a master key, may: {said}"
        ),
        (Denial::KeyScope, Credentials::OAuth(_)) => format!(
            "The authorization lacks the scope; add it to the OAuth application's scopes, and let the \
             customer connect again: {said}"
        ),
        (Denial::Unknown, _) => format!("Forbidden: {said}"),
    }
}
