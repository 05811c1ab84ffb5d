//! Where a scan continues after a page, and what the page says of the list.

use syncline_model::{
    Checkpoint, Order, ScanFacts, Time,
    mutation::{self, Mutation},
};
use syncline_providers::Page;
use syncline_store::Scan;

use crate::Engine;

impl Engine {
    /// The checkpoint after `page`, with what was noticed on it. If the first page reports more
    /// records than may be read, or fewer than expected, the scan starts over in the other order.
    pub(crate) fn next_checkpoint(&self, scan: &Scan, page: &Page, asked_at: Time) -> Checkpoint {
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

    /// Where the scan may be after one more full page; `None` if nothing says that it goes on there.
    pub(crate) fn after_one_more(
        &self,
        scan: &Scan,
        checkpoint: &Checkpoint,
    ) -> Option<Checkpoint> {
        let size = i64::from(self.provider_of(scan).support(scan.object).page_size?);
        let facts = &checkpoint.facts;
        let more = facts
            .records_reported
            .is_none_or(|total| total > facts.returned + size);
        more.then(|| Checkpoint {
            next_page: checkpoint.next_page + 1,
            records_asked: checkpoint.records_asked + size,
            ..checkpoint.clone()
        })
    }
}
