//! Maps Outreach's sequences and their statistics.

use std::collections::BTreeMap;

use serde_json::Number;
use syncline_model::{Sequence, ShareType};

use super::resource::Resource;
use crate::json::{reading::Reading, text_of};

/// The statistics, which have the same names in the common model.
const METRICS: [&str; 12] = [
    "clickCount",
    "deliverCount",
    "failureCount",
    "negativeReplyCount",
    "neutralReplyCount",
    "numContactedProspects",
    "numRepliedProspects",
    "openCount",
    "optOutCount",
    "positiveReplyCount",
    "replyCount",
    "scheduleCount",
];

pub(super) fn map(resource: &Resource<'_, '_>) -> Sequence {
    let read = resource.attributes();
    Sequence {
        owner_id: resource.related("owner"),
        is_enabled: read.flag("enabled").unwrap_or(false),
        name: read.text("name"),
        tags: read.members("tags", |tag| text_of("tags", tag).ok()),
        num_steps: read.int("sequenceStepCount").unwrap_or(0),
        metrics: metrics(read),
        // Outreach's users archive a sequence, and its API calls it locked.
        is_archived: read.flag("locked").unwrap_or(false),
        share_type: share_type(read),
    }
}

/// A statistic that Outreach doesn't send is 0; one that can't be read is left out.
fn metrics(read: Reading<'_, '_>) -> BTreeMap<String, Number> {
    let metric = |name: &&str| {
        let number = if read.has(name) {
            read.number(name)?
        } else {
            Number::from(0)
        };
        Some(((*name).to_owned(), number))
    };
    METRICS.iter().filter_map(metric).collect()
}

/// Everyone can see what is `shared` or `read_only`.
fn share_type(read: Reading<'_, '_>) -> ShareType {
    match read.text("shareType").as_deref() {
        Some("private") => ShareType::Private,
        _ => ShareType::Team,
    }
}
