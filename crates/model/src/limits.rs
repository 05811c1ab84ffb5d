//! How many records may be read from a provider account, and which limits are valid.
//!
//! The values come from the configuration and from connections. `budget` enforces the limits per
//! hour and day, the run enforces its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ProviderName;

/// The largest accepted limit per hour, day or run. A larger value is most likely a typing error.
const MOST_RECORDS: i64 = 10_000_000;

/// How many records may be read; `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeLimits {
    /// By one run of one object.
    pub records_per_object: Option<i64>,
    /// In any 60 minutes.
    pub records_per_hour: Option<i64>,
    /// In any 24 hours.
    pub records_per_day: Option<i64>,
}

impl Default for VolumeLimits {
    fn default() -> Self {
        Self {
            records_per_object: Some(10_000),
            records_per_hour: Some(10_000),
            records_per_day: Some(50_000),
        }
    }
}

/// The limits of each provider; the defaults if a provider is not named.
#[derive(Debug, Clone, Default)]
pub struct ProviderLimits(BTreeMap<ProviderName, VolumeLimits>);

impl ProviderLimits {
    /// The limits of one of the provider's connections.
    pub fn of(&self, provider: ProviderName, overrides: LimitOverrides) -> VolumeLimits {
        let configured = self.0.get(&provider).copied();
        configured.unwrap_or_default().with(overrides)
    }
}

impl FromIterator<(ProviderName, VolumeLimits)> for ProviderLimits {
    fn from_iter<I: IntoIterator<Item = (ProviderName, VolumeLimits)>>(limits: I) -> Self {
        Self(limits.into_iter().collect())
    }
}

impl<const N: usize> From<[(ProviderName, VolumeLimits); N]> for ProviderLimits {
    fn from(limits: [(ProviderName, VolumeLimits); N]) -> Self {
        Self(limits.into())
    }
}

/// The limits that a connection or the configuration sets; null or absent: unchanged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOverrides {
    /// Records that one run of one object may read.
    pub records_per_object: Option<i64>,
    /// Records that may be read in any 60 minutes.
    pub records_per_hour: Option<i64>,
    /// Records that may be read in any 24 hours.
    pub records_per_day: Option<i64>,
}

/// A limit that is too small to read anything, or too large to be intended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct InvalidLimit {
    pub field: &'static str,
    pub reason: String,
}

impl VolumeLimits {
    pub const NONE: Self = Self {
        records_per_object: None,
        records_per_hour: None,
        records_per_day: None,
    };

    pub fn with(self, overrides: LimitOverrides) -> Self {
        Self {
            records_per_object: overrides.records_per_object.or(self.records_per_object),
            records_per_hour: overrides.records_per_hour.or(self.records_per_hour),
            records_per_day: overrides.records_per_day.or(self.records_per_day),
        }
    }

    /// `page_size`: the provider's largest page; `most_listed`: the most records that its lists
    /// return.
    pub fn check(&self, page_size: u32, most_listed: Option<i64>) -> Result<(), InvalidLimit> {
        let fields = [
            ("records_per_object", self.records_per_object),
            ("records_per_hour", self.records_per_hour),
            ("records_per_day", self.records_per_day),
        ];
        let limited = || {
            let limited = fields.into_iter();
            limited.filter_map(|(field, limit)| Some((field, limit?)))
        };
        for (field, limit) in limited() {
            at_least_a_page(field, limit, page_size)?;
        }
        if let (Some(limit), Some(most)) = (self.records_per_object, most_listed) {
            listed("records_per_object", limit, most)?;
        }
        for (field, limit) in limited() {
            meant(field, limit)?;
        }
        Ok(())
    }

    /// Whether a run of one object that has read `asked` records may read as many more.
    pub fn object_allows(&self, asked: i64, more: i64) -> bool {
        self.records_per_object
            .is_none_or(|limit| asked.saturating_add(more) <= limit)
    }

    /// Whole pages per object and run; `None`: any number.
    pub fn pages_per_object(&self, page_size: u32) -> Option<u32> {
        let pages = self.records_per_object?.max(0) / i64::from(page_size.max(1));
        Some(u32::try_from(pages).unwrap_or(u32::MAX))
    }
}

fn at_least_a_page(field: &'static str, limit: i64, page_size: u32) -> Result<(), InvalidLimit> {
    if limit >= i64::from(page_size.max(1)) {
        return Ok(());
    }
    Err(InvalidLimit {
        field,
        reason: format!(
            "is {limit}, but records come in pages of {page_size}, and with less than one page \
             nothing could ever be read; set {page_size} or more"
        ),
    })
}

fn listed(field: &'static str, limit: i64, most: i64) -> Result<(), InvalidLimit> {
    if limit <= most {
        return Ok(());
    }
    Err(InvalidLimit {
        field,
        reason: format!(
            "is {limit}, but the provider's lists end after {most} records; set {most} or less"
        ),
    })
}

fn meant(field: &'static str, limit: i64) -> Result<(), InvalidLimit> {
    if limit <= MOST_RECORDS {
        return Ok(());
    }
    Err(InvalidLimit {
        field,
        reason: format!(
            "is {limit}, more than could be read in that time; set {MOST_RECORDS} or less"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(limits: VolumeLimits) -> String {
        limits.check(100, Some(50_000)).unwrap_err().to_string()
    }

    #[test]
    fn overrides_change_what_they_name() {
        let overrides = LimitOverrides {
            records_per_hour: Some(5_000),
            ..LimitOverrides::default()
        };
        let limits = VolumeLimits::default().with(overrides);
        assert_eq!(limits.records_per_hour, Some(5_000));
        assert_eq!(limits.records_per_object, Some(10_000));
        assert_eq!(limits.records_per_day, Some(50_000));
        let limits = VolumeLimits::NONE.with(overrides);
        assert_eq!(limits.records_per_hour, Some(5_000));
        assert_eq!(limits.records_per_object, None);
    }

    #[test]
    fn overrides_are_read_from_what_is_there_and_from_nothing_else() {
        let overrides: LimitOverrides =
            serde_json::from_str(r#"{"records_per_day": 7, "records_per_hour": null}"#).unwrap();
        assert_eq!(overrides.records_per_day, Some(7));
        assert_eq!(overrides.records_per_hour, None);
        let slip = serde_json::from_str::<LimitOverrides>(r#"{"record_per_day": 7}"#);
        assert!(slip.unwrap_err().to_string().contains("record_per_day"));
    }

    #[test]
    fn the_defaults_and_the_bounds_themselves_are_fine() {
        assert_eq!(VolumeLimits::default().check(100, Some(50_000)), Ok(()));
        let least = VolumeLimits {
            records_per_object: Some(100),
            records_per_hour: Some(100),
            records_per_day: Some(100),
        };
        assert_eq!(least.check(100, Some(50_000)), Ok(()));
        let most = VolumeLimits {
            records_per_object: Some(50_000),
            records_per_hour: Some(10_000_000),
            records_per_day: Some(10_000_000),
        };
        assert_eq!(most.check(100, Some(50_000)), Ok(()));
        assert_eq!(VolumeLimits::NONE.check(100, Some(50_000)), Ok(()));
    }

    #[test]
    fn less_than_a_page_is_refused_with_what_would_be_right() {
        for limit in [99, 0, -1] {
            let text = refused(VolumeLimits {
                records_per_hour: Some(limit),
                ..VolumeLimits::default()
            });
            assert!(text.starts_with(&format!("records_per_hour is {limit}, ")));
            assert!(text.ends_with("set 100 or more"), "{text}");
        }
    }

    #[test]
    fn more_than_the_provider_lists_is_refused() {
        let text = refused(VolumeLimits {
            records_per_object: Some(50_001),
            ..VolumeLimits::default()
        });
        assert_eq!(
            text,
            "records_per_object is 50001, but the provider's lists end after 50000 records; set \
             50000 or less"
        );
    }

    #[test]
    fn what_nobody_means_is_refused() {
        let limits = VolumeLimits {
            records_per_day: Some(10_000_001),
            ..VolumeLimits::default()
        };
        let invalid = limits.check(100, None).unwrap_err();
        assert_eq!(invalid.field, "records_per_day");
        assert!(invalid.reason.ends_with("set 10000000 or less"));
    }

    #[test]
    fn a_run_reads_whole_pages() {
        let pages = |records_per_object, page_size| {
            VolumeLimits {
                records_per_object: Some(records_per_object),
                ..VolumeLimits::default()
            }
            .pages_per_object(page_size)
        };
        assert_eq!(pages(10_000, 100), Some(100));
        assert_eq!(pages(250, 100), Some(2));
        assert_eq!(pages(99, 100), Some(0));
        assert_eq!(pages(-5, 100), Some(0));
        assert_eq!(pages(i64::MAX, 0), Some(u32::MAX));
        assert_eq!(VolumeLimits::NONE.pages_per_object(100), None);
    }
}
