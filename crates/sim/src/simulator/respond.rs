//! The steps from a request to its answer that all dialects share: faults and the ledger.

use std::sync::atomic::Ordering;

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{Simulator, mishap};
use crate::control;
use crate::dialect::RequestContext;
use crate::ledger::Exchange;
use crate::request::{SimReply, SimRequest};

impl Simulator {
    /// Answers a request at a given time.
    pub fn respond(&self, now: DateTime<Utc>, request: &SimRequest) -> SimReply {
        let now = now.trunc_subsecs(self.0.options.dialect.decimals());
        if request.path.starts_with(control::BASE) {
            return control::respond(self, now, request);
        }
        let inner = &*self.0;
        let dialect = inner.options.dialect;
        let page = dialect.page(request);
        let fault = inner.faults.draw(request, page);
        let mut exchange = Exchange {
            at: now,
            team: None,
            user: None,
            method: request.method.to_string(),
            path: request.path.clone(),
            action: "",
            page,
            status: 0,
            records: 0,
        };
        let nth = inner.answered.fetch_add(1, Ordering::Relaxed);
        let mut reply = dialect.answer(&mut RequestContext {
            now,
            request,
            fault: fault.as_ref(),
            options: &inner.options,
            world: &mut self.world(),
            hooks: &mut self.hooks(),
            exchange: &mut exchange,
            salt: inner.options.seed ^ nth,
        });
        mishap::spoil(&mut reply, fault.as_ref());
        exchange.status = reply.status;
        exchange.records = mishap::reply_records(&reply, exchange.records);
        inner.ledger.write(exchange);
        reply
    }
}
