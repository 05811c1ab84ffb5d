//! The end of a scan: what happens to the rows that it didn't see.
//!
//! A scan that saw every live row ends here immediately. Otherwise the rows are recorded as missing
//! and looked up at the provider one by one. An object without lookups is read again, if it has
//! only a few pages. Each of these is a separate step, committed like a page.

use syncline_model::{
    Coverage, FullRead, LookupOutcome, ScanFacts, Verdict, WindowUsage,
    mutation::{self, Mutation},
};
use syncline_providers::{Call, Credentials, ErrorKind, Found, Lookup};
use syncline_store::{Absence, NextLookup, PassNote, Permit, Scan, ScanRun, Spending, StoreError};

use crate::{
    Engine,
    leased_scan::{LeasedScan, RunVerdict},
    report,
    scan::Step,
    spending::Permission,
};

/// An object with at most this many pages is read again in the same run.
const FEW_PAGES: u32 = 5;
/// If this many lookups all said that the record is gone, two complete scans prove it for the
/// remaining rows too. Fewer lookups might have missed hidden records.
const ENOUGH_ANSWERS: u32 = 100;
/// The maximum number of passes over a small object in one run.
const MOST_PASSES: u32 = 3;

/// What came of a lookup.
struct LookupAnswer {
    outcome: LookupOutcome,
    /// Records in the response.
    served: i64,
    usage: Vec<WindowUsage>,
}

impl From<Lookup> for LookupAnswer {
    fn from(lookup: Lookup) -> Self {
        Self {
            outcome: outcome_of(lookup.found),
            served: lookup.served,
            usage: lookup.usage,
        }
    }
}

impl Engine {
    /// One step towards the end of a scan whose pages have been read.
    pub(crate) async fn conclude(&self, leased: &mut LeasedScan) -> Result<Step, StoreError> {
        let verdicts = self.verdicts(leased).await?;
        if let Some(error) = self.detect_cycle(leased, &verdicts) {
            return Ok(Step::End(self.stall(leased, &error).await?));
        }
        let full = leased.scan.checkpoint.full_read();
        let reached_end = verdicts.iter().any(|own| own.coverage.reached_end());
        if let Some(full) = full.filter(|_| reached_end) {
            if !leased.scan.checkpoint.sweep.noted {
                if self.note_unseen(leased, &verdicts, full).await? {
                    return Ok(Step::Continue);
                }
            } else if let Some((run, next)) = self.next_lookup(leased, &verdicts).await? {
                return self.look_up(leased, &run, &next).await;
            } else if self.wants_another_pass(leased, &verdicts).await? {
                let again = leased.scan.checkpoint.again(leased.scan.checkpoint.order);
                self.store.save_checkpoint(&leased.scan, &again).await?;
                leased.scan.checkpoint = again;
                leased.verdicts = None;
                return Ok(Step::Continue);
            }
        }
        Ok(Step::End(self.finish(leased).await?))
    }

    /// Detects unordered pages that went in a circle: at least a whole page of records was
    /// repeated.
    fn detect_cycle(&self, leased: &LeasedScan, verdicts: &[RunVerdict]) -> Option<String> {
        let scan = &leased.scan;
        let facts = &scan.checkpoint.facts;
        let size = self.provider_of(scan).support(scan.object).page_size?;
        let own = verdicts.iter().find(|own| own.run.object == scan.object)?;
        let in_a_circle = facts.capped
            && !facts.ordered
            && !facts.recent_first
            && own.repeated >= i64::from(size);
        in_a_circle.then(|| format!("the pages repeated {} records", own.repeated))
    }

    /// The evaluation of the newest pass, computed once.
    async fn verdicts(&self, leased: &mut LeasedScan) -> Result<Vec<RunVerdict>, StoreError> {
        if leased.verdicts.is_none() {
            leased.verdicts = Some(self.judge(leased).await?);
        }
        Ok(leased.verdicts.clone().unwrap_or_default())
    }

    /// Each run with its coverage and the number of valid records that it read, the scanned
    /// object's run first. The coverage of contained records is never better than that of the
    /// records that contain them, even if those have no run.
    pub(crate) async fn judge(&self, leased: &LeasedScan) -> Result<Vec<RunVerdict>, StoreError> {
        let scan = &leased.scan;
        let facts = scan.checkpoint.facts;
        let mut verdicts = Vec::new();
        let mut carriers = None;
        for run in self.store.runs_of(scan).await? {
            let seen = self.store.count_seen(&run.id, scan.checkpoint.pass).await?;
            let is_scanned = run.object == scan.object;
            let mut coverage = if is_scanned {
                let mut own = Coverage::judge(&facts, seen.pass);
                own.records_reported = own.records_reported.or(scan.checkpoint.reported);
                own
            } else {
                carriers = Some(Coverage::judge(&facts, seen.carriers));
                Coverage::judge(&of_carried(facts), seen.pass)
            };
            if scan.checkpoint.full_read().is_none() {
                coverage = coverage.of_changes();
            }
            if coverage.verdict == Verdict::Capped {
                coverage.records_seen = seen.distinct;
            }
            verdicts.push(RunVerdict {
                coverage,
                num_records_synced: seen.valid,
                repeated: seen.pass.repeated,
                empty_answer: is_scanned && seen.pass.distinct == 0,
                run,
            });
        }
        verdicts.sort_by_key(|own| own.run.object != scan.object);
        let scanned = verdicts.iter().find(|own| own.run.object == scan.object);
        let carriers = scanned.map(|own| own.coverage.clone()).or(carriers);
        if let Some(carriers) = carriers {
            for own in verdicts
                .iter_mut()
                .filter(|own| own.run.object != scan.object)
            {
                own.coverage = covered_no_better(own.coverage.clone(), &carriers, leased);
            }
        }
        Ok(verdicts)
    }

    /// Records which rows the pass didn't see; `false` if there are none.
    async fn note_unseen(
        &self,
        leased: &mut LeasedScan,
        verdicts: &[RunVerdict],
        _full: FullRead,
    ) -> Result<bool, StoreError> {
        let mut notes = Vec::new();
        for own in verdicts.iter().filter(|own| own.coverage.reached_end()) {
            notes.push(PassNote {
                run: &own.run,
                complete: own.coverage.verdict == Verdict::Complete
                    || mutation::on(Mutation::SweepAfterCapped),
                unseen: self.store.unseen(&leased.scan, &own.run).await?,
            });
        }
        if notes.iter().all(|note| note.unseen.is_empty()) {
            return Ok(false);
        }
        let mut checkpoint = leased.scan.checkpoint.clone();
        checkpoint.sweep.noted = true;
        self.store
            .note_unseen(&leased.scan, &checkpoint, &notes)
            .await?;
        leased.scan.checkpoint = checkpoint;
        Ok(true)
    }

    /// What to look up next, if this run may look up more. If the provider returned no records at
    /// all, nothing is looked up: those deletions wait for approval.
    async fn next_lookup(
        &self,
        leased: &LeasedScan,
        verdicts: &[RunVerdict],
    ) -> Result<Option<(ScanRun, NextLookup)>, StoreError> {
        let scan = &leased.scan;
        let checkpoint = &scan.checkpoint;
        let progress = &checkpoint.sweep;
        let exhausted = progress.lookups >= self.config.lookups_per_run
            || !self
                .limits_of(scan)
                .object_allows(checkpoint.records_asked, 1);
        if exhausted
            || progress.unanswered
            || progress.forbidden
            || !self.provider_of(scan).support(scan.object).get
            || verdicts.iter().any(|own| own.empty_answer)
            || mutation::on(Mutation::DeleteWithoutConfirmation)
        {
            return Ok(None);
        }
        for own in verdicts.iter().filter(|own| own.coverage.reached_end()) {
            if let Some(next) = self.store.next_lookup(scan, &own.run).await? {
                return Ok(Some((own.run.clone(), next)));
            }
        }
        Ok(None)
    }

    async fn look_up(
        &self,
        leased: &mut LeasedScan,
        run: &ScanRun,
        next: &NextLookup,
    ) -> Result<Step, StoreError> {
        let object = leased.scan.object;
        let credentials = match self.credentials_of(leased).await? {
            Ok(credentials) => credentials,
            Err(step) => return Ok(step),
        };
        let permit = match self.permit_lookup(leased, object).await? {
            Permission::Permit(permit) => permit,
            Permission::Wait(refusal) => {
                let end = self.wait(leased, refusal.until, refusal.reason).await?;
                return Ok(Step::End(end));
            }
            Permission::Capped => return Ok(Step::End(self.finish(leased).await?)),
        };
        leased.requests += 1;
        leased.tries_from(self.clock.now());
        let provider = self.provider_of(&leased.scan);
        match provider.get(&credentials, object, &next.id).await {
            Ok(lookup) => {
                leased.answered();
                let answer = LookupAnswer::from(lookup);
                self.note_lookup(leased, run, &next.rows, &answer, permit)
                    .await?;
                Ok(Step::Continue)
            }
            // The provider rejects the request for this record; that says nothing about the others.
            Err(error) if error.kind == ErrorKind::Rejected => {
                tracing::warn!(
                    record.id = next.id,
                    "a {object} that was not seen stays missing, the provider rejected its lookup: \
                     {error}"
                );
                leased.answered();
                let answer = LookupAnswer {
                    outcome: LookupOutcome::Unclear,
                    served: 0,
                    usage: error.usage,
                };
                self.note_lookup(leased, run, &next.rows, &answer, permit)
                    .await?;
                Ok(Step::Continue)
            }
            Err(error) => {
                self.settle_failure(&leased.scan, Call::Get(object), permit, &error)
                    .await?;
                self.after_failed_lookup(leased, &credentials, error).await
            }
        }
    }

    async fn note_lookup(
        &self,
        leased: &mut LeasedScan,
        run: &ScanRun,
        rows: &[String],
        answer: &LookupAnswer,
        permit: Permit,
    ) -> Result<(), StoreError> {
        let LookupAnswer {
            outcome,
            served,
            usage,
        } = answer;
        let mut checkpoint = leased.scan.checkpoint.clone();
        checkpoint.sweep.lookups += 1;
        checkpoint.sweep.gone += u32::from(matches!(outcome, LookupOutcome::Gone(_)));
        checkpoint.sweep.found += u32::from(*outcome == LookupOutcome::Found);
        checkpoint.records_asked += served;
        let spending = Spending {
            permit,
            records: Some(*served),
            at: self.clock.now(),
            endpoint: self
                .provider_of(&leased.scan)
                .endpoint(Call::Get(leased.scan.object)),
            usage,
            refused: None,
        };
        self.store
            .note_lookup(&leased.scan, &checkpoint, run, rows, outcome, &spending)
            .await?;
        leased.scan.checkpoint = checkpoint;
        Ok(())
    }

    /// A permanently failing lookup ends the lookups, not the run: its pages have been read, and
    /// missing rows stay missing until the next run.
    async fn after_failed_lookup(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
        error: syncline_providers::ProviderError,
    ) -> Result<Step, StoreError> {
        let about_the_key = matches!(
            error.kind,
            ErrorKind::Unauthorized | ErrorKind::RateLimited(_)
        );
        if about_the_key {
            return self.after_failure(leased, credentials, error).await;
        }
        if error.is_temporary()
            && let Some(after) = leased.next_try(&self.config.retry, self.clock.now())
        {
            report::retry(&leased.scan, "a lookup", &error, after);
            return Ok(Step::Again { after });
        }
        tracing::warn!(
            "records that were not seen can't be looked up and stay missing until the next \
             run: {error}"
        );
        let progress = &mut leased.scan.checkpoint.sweep;
        progress.forbidden = matches!(error.kind, ErrorKind::Forbidden(_));
        progress.unanswered = !progress.forbidden;
        Ok(Step::Continue)
    }

    /// Deletes rows that are proven to be gone before the scan waits, unless that might be too many
    /// at once.
    pub(crate) async fn sweep_so_far(&self, leased: &LeasedScan) -> Result<(), StoreError> {
        if !leased.scan.checkpoint.sweep.noted {
            return Ok(());
        }
        let verdicts = match &leased.verdicts {
            Some(verdicts) => verdicts.clone(),
            None => self.judge(leased).await?,
        };
        let whole = verdicts
            .into_iter()
            .filter(|own| own.coverage.reached_end());
        let runs: Vec<ScanRun> = whole.map(|own| own.run).collect();
        self.store.sweep_so_far(&leased.scan, &runs).await
    }

    /// What two complete scans without a row prove: where there are no lookups, where the key may not
    /// make them (after both scans), or where enough others were looked up, that it is gone. Contained
    /// records are decided by the records that contain them.
    pub(crate) fn absence(&self, scan: &Scan, run: &ScanRun) -> Absence {
        let progress = &scan.checkpoint.sweep;
        let Ok(provider) = self.providers.get(scan.connection.provider) else {
            return Absence::ProvesNothing;
        };
        if !provider.support(scan.object).get {
            return Absence::ProvesGone;
        }
        let all_are_gone = progress.gone == progress.lookups && progress.gone >= ENOUGH_ANSWERS;
        let speaks_for_others = all_are_gone && !progress.unanswered;
        if run.object != scan.object {
            Absence::ProvesNothing
        } else if progress.forbidden {
            Absence::ProvesGoneIfForbidden
        } else if speaks_for_others {
            Absence::ProvesGone
        } else {
            Absence::ProvesNothing
        }
    }

    async fn wants_another_pass(
        &self,
        leased: &LeasedScan,
        verdicts: &[RunVerdict],
    ) -> Result<bool, StoreError> {
        let scan = &leased.scan;
        let checkpoint = &scan.checkpoint;
        let support = self.provider_of(scan).support(scan.object);
        let pages = checkpoint.next_page.saturating_sub(1);
        let size = support.page_size.map_or(0, i64::from);
        let room = self
            .limits_of(scan)
            .object_allows(checkpoint.records_asked, i64::from(pages) * size);
        if support.get || pages > FEW_PAGES || checkpoint.pass >= MOST_PASSES || !room {
            return Ok(false);
        }
        for own in verdicts.iter().filter(|own| own.coverage.reached_end()) {
            if self.store.is_undecided(scan, &own.run).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn outcome_of(found: Found) -> LookupOutcome {
    match found {
        Found::Exists => LookupOutcome::Found,
        Found::Gone { reason } => LookupOutcome::Gone(reason),
        Found::Hidden { .. } => LookupOutcome::Hidden,
        Found::Another => LookupOutcome::Another,
    }
}

/// The provider returned no records, in a complete scan.
pub(crate) fn empty_and_complete(own: &RunVerdict) -> bool {
    own.empty_answer && own.coverage.verdict == Verdict::Complete
}

fn covered_no_better(own: Coverage, carriers: &Coverage, leased: &LeasedScan) -> Coverage {
    let object = leased.scan.object;
    let rejected = leased.scan.checkpoint.facts.rejected;
    if carriers.verdict == Verdict::Drifted {
        own.drifted(format!("{}: {}", object.plural(), carriers.reason))
    } else if rejected > 0 {
        own.drifted(format!("{rejected} {} could not be read", object.plural()))
    } else {
        own
    }
}

/// The facts of a scan, reduced to what applies to contained records: they have no total and no
/// order.
fn of_carried(facts: ScanFacts) -> ScanFacts {
    ScanFacts {
        first_reported: None,
        records_reported: None,
        total_shrank: false,
        ordered: false,
        created_since: 0,
        created_about_then: 0,
        rejected_without_id: facts.carried_rejected_without_id,
        ..facts
    }
}
