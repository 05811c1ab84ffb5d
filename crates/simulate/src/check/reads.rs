//! The requests of the processes: no page is read twice without a reason, and no run reads more
//! records of an object than its limit.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::Verdict;

use super::{Checker, lies_of, tables::Run};
use crate::wire::{Asked, Served, StepRequest};

#[derive(Default)]
pub(crate) struct Reads {
    /// How often each page was served, and how often its answer could not be used.
    pages: BTreeMap<StepRequest, Page>,
    /// Pages that were served again, until the reason is known.
    suspects: BTreeSet<StepRequest>,
    /// Per scan, the last page that was served, and whether it was full and followed by more. A
    /// worker that lost its lease may be served an earlier page later.
    followed: BTreeMap<String, (u32, u32, bool)>,
}

#[derive(Default)]
struct Page {
    served: u32,
    excused: u32,
    /// The number in its newest answer, if that could be used.
    records: i64,
}

impl Checker {
    pub(super) fn look_at_reads(&mut self, served: &[Served], waiting: &[StepRequest]) {
        for step_request in self.wire.take_requests() {
            *self.runs.requests.entry(step_request.scan_id).or_default() += 1;
        }
        for (scan, false_answer) in lies_of(served) {
            self.runs
                .false_answers
                .entry(scan.to_owned())
                .or_default()
                .push(false_answer);
        }
        let by_id = served.iter().filter(|it| matches!(it.asked, Asked::Get(_)));
        let found_out = self.world.provider.found_out;
        for it in by_id.filter(|it| it.is_struck || !found_out.contains(&it.status)) {
            let Some(step_request) = &it.step_request else {
                continue;
            };
            self.runs.unanswered.insert(step_request.scan_id.clone());
            if it.status == 403 {
                self.runs.forbidden.insert(step_request.scan_id.clone());
            }
        }
        for it in served {
            if let (Asked::List(_), 200, Some(step_request)) =
                (it.asked, it.status, &it.step_request)
            {
                let page = self.reads.pages.entry(step_request.clone()).or_default();
                page.served += 1;
                page.records = it.records;
                let served = (step_request.pass, step_request.page, it.more);
                let last = self.reads.followed.entry(step_request.scan_id.clone());
                let last = last.or_insert(served);
                if (last.0, last.1) <= (step_request.pass, step_request.page) {
                    *last = served;
                }
            }
        }
        // An answer that couldn't be used doesn't count as read.
        for step_request in self.wire.take_excused() {
            let page = self.reads.pages.entry(step_request).or_default();
            page.excused += 1;
            page.records = 0;
        }
        for it in served {
            if let Some(step_request) = &it.step_request {
                self.object_limit_holds(step_request, it, waiting);
            }
        }
    }

    /// What waits of an earlier pass is in the memory of a worker that has lost its lease.
    fn object_limit_holds(
        &mut self,
        step_request: &StepRequest,
        it: &Served,
        waiting: &[StepRequest],
    ) {
        let first = StepRequest {
            pass: 0,
            page: 0,
            is_incremental: false,
            ..step_request.clone()
        };
        let pages = self.reads.pages.range(first..);
        let own = pages.take_while(|(it, _)| it.scan_id == step_request.scan_id);
        let is_lost = |it: &StepRequest| it.pass < step_request.pass && waiting.contains(it);
        let own = own.filter(|(it, _)| !is_lost(it));
        let records: i64 = own.map(|(_, page)| page.records).sum();
        let run = self
            .active_runs()
            .find(|run| run.scan_id == step_request.scan_id);
        let connection = run.map(|run| run.connection_id.clone());
        let connection = connection.and_then(|id| self.connections.get(&id));
        let limit = connection.and_then(|own| own.limits_for(it).records_per_object);
        if let Some(limit) = limit.filter(|limit| records > *limit) {
            let text = format!(
                "scan {} of {} was served {records}, the limit is {limit}",
                step_request.scan_id,
                step_request.object.plural()
            );
            self.violated("no run reads more records than its object may have", text);
        }
    }

    /// A scan that reached its end has not stopped at a full page that was followed by more,
    /// whatever totals the provider reported.
    pub(super) fn full_pages_are_followed(&mut self, run: &Run) {
        let whole = matches!(run.verdict(), Some(Verdict::Complete | Verdict::Drifted));
        let last = self.reads.followed.get(&run.scan_id);
        if run.succeeded() && whole && last.is_some_and(|(_, _, followed)| *followed) {
            let text = format!(
                "run {} ({}) ended at a full page, and there was more",
                run.id, run.object
            );
            self.violated("a full page is followed by the next one", text);
        }
    }

    /// A page is read again only if its answer could not be used. While an answer is between the
    /// provider and its process, that is not known.
    pub(super) fn pages_are_read_once(&mut self, served: &[Served], waiting: &[StepRequest]) {
        let again = served.iter().filter_map(|it| it.step_request.clone());
        self.reads.suspects.extend(again);
        for step_request in std::mem::take(&mut self.reads.suspects) {
            let page = self.reads.pages.get(&step_request);
            let Some(page) = page.filter(|page| page.served > 1 + page.excused) else {
                continue;
            };
            if waiting.contains(&step_request) {
                self.reads.suspects.insert(step_request);
                continue;
            }
            let text = format!(
                "page {} of pass {} of scan {} ({}) was served {} times, with {} reasons to ask \
                 again",
                step_request.page,
                step_request.pass,
                step_request.scan_id,
                step_request.object,
                page.served,
                page.excused
            );
            self.violated("a page is read again only after a loss", text);
        }
    }
}
