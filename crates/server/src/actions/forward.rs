//! A request that a caller wrote, on its way to a provider: checked against the key's rules,
//! counted, and retried while the provider refuses it, for as long as the caller waits.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderMap, Method},
};
use syncline_providers::{
    Credentials, Forward, Forwarded, Meter, ProviderError, RateLimitInfo, Response, Target,
    capabilities::Forwards, counted,
};

use super::retry::RetryDeadline;
use crate::{
    access::{self, Forwarding},
    error::ApiResult,
    extract::Caller,
    remote::Remote,
};

/// The part of an answer that is read before the caller gets it.
pub(super) trait Answer: Sized {
    fn read(answer: Forwarded) -> impl Future<Output = Result<Self, ProviderError>> + Send;

    fn status(&self) -> u16;

    /// What the provider's request limits are read from.
    fn for_limits(&self) -> Cow<'_, Response>;
}

/// The forwarded request, without its body.
pub(super) struct ForwardRequest<'r> {
    remote: &'r Remote,
    forwards: &'r dyn Forwards,
    endpoint: String,
    cost: i64,
    method: Method,
    target: Target,
    headers: HeaderMap,
}

impl<'r> ForwardRequest<'r> {
    /// The request with the headers that the key may send, recorded for the audit log; otherwise
    /// the refusal.
    pub(super) fn allowed(
        caller: &Caller,
        remote: &'r Remote,
        method: Method,
        target: Target,
        mut headers: HeaderMap,
        has_body: bool,
    ) -> ApiResult<Self> {
        caller.call.set_provider_request(&method, &target);
        let forwards = remote.capabilities().forwards()?;
        let forwarding = Forwarding {
            method: &method,
            target: &target,
            headers: &headers,
            has_body,
        };
        access::check_forward(caller, remote, &forwarding)?;
        access::restrict_headers(caller, &mut headers);
        Ok(Self {
            endpoint: forwards.endpoint_of(&method, &target.path),
            cost: forwards.cost_of(&method, &target),
            forwards,
            remote,
            method,
            target,
            headers,
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Sends the request, and retries refusals until the deadline; without a deadline, sends it
    /// once. A rejected access token is replaced once, if the body can be sent again. `body` makes the body of each try.
    pub(super) async fn send<A: Answer>(
        &self,
        deadline: Option<&RetryDeadline>,
        mut body: impl FnMut() -> Option<Body>,
    ) -> Result<A, ProviderError> {
        let mut is_replaced = false;
        loop {
            let credentials = self.remote.credentials();
            let sent = body();
            let was_sent = sent.is_some();
            let (result, refusal) = match self.send_once::<A>(&credentials, sent).await {
                Ok((answer, limits)) => {
                    let repeatable = deadline.is_some() || !was_sent;
                    if answer.status() == 401
                        && repeatable
                        && !is_replaced
                        && self.remote.replace(&credentials).await.is_some()
                    {
                        is_replaced = true;
                        continue;
                    }
                    (Ok(answer), limits.refusal)
                }
                Err(error) => (Err(error.clone()), Some(error)),
            };
            let next = deadline
                .zip(refusal.as_ref())
                .and_then(|(deadline, refusal)| deadline.next_try(refusal));
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => return result,
            }
        }
    }

    async fn send_once<A: Answer>(
        &self,
        credentials: &Credentials,
        body: Option<Body>,
    ) -> Result<(A, RateLimitInfo), ProviderError> {
        let permit = self.remote.permit(&self.endpoint, self.cost).await?;
        let exchange = async {
            let forward = self.forward(body);
            A::read(
                self.forwards
                    .passthrough()
                    .send(credentials, forward)
                    .await?,
            )
            .await
        };
        let (result, repeated) = counted(exchange).await;
        let result = result.map(|answer| {
            let limits = self.forwards.rate_limit_info(&answer.for_limits());
            (answer, limits)
        });
        let (usage, refusal) = match &result {
            Ok((_, limits)) => (limits.usage.as_slice(), limits.refusal.as_ref()),
            Err(error) => (&[][..], Some(error)),
        };
        self.remote.settle(permit, repeated, usage, refusal).await;
        result
    }

    fn forward(&self, body: Option<Body>) -> Forward<Body> {
        Forward {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body,
        }
    }
}
