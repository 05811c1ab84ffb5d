//! Price plans and their quotas.

use crate::limits::Quota;

/// Endpoints that have the same quotas in a plan. Each is still counted on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaClass {
    Ordinary,
    /// Enrichment of one person or company.
    Enrichment,
    /// Enrichment of several in one call.
    BulkEnrichment,
    /// Searches of Apollo's own people and companies.
    Database,
}

/// A price plan, which determines quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// No window has a limit; the headers then have empty values.
    #[default]
    Unlimited,
    Free,
    Basic,
    Professional,
    Organization,
    Custom(Quota),
}

impl Plan {
    /// The quota of each action of a class.
    pub(crate) fn quota(self, class: QuotaClass, plans: &PlanTable) -> Quota {
        let ordinary = match self {
            Self::Unlimited => return Quota::UNLIMITED,
            Self::Custom(quota) => return quota,
            Self::Free if class == QuotaClass::BulkEnrichment => return plans.free_bulk_enrichment,
            Self::Free => return plans.free,
            Self::Basic => plans.basic,
            Self::Professional => plans.professional,
            Self::Organization => plans.organization,
        };
        match class {
            QuotaClass::Ordinary => ordinary,
            QuotaClass::Enrichment | QuotaClass::BulkEnrichment => plans.paid_enrichment,
            QuotaClass::Database => plans.paid_database,
        }
    }
}

/// The quotas of each plan, per action.
///
/// Recorded headers show the free plan's numbers and 200, 400 and 2,000 for a paid one; the example
/// of the usage statistics shows 200, 600 and 6,000. Apollo's own documentation is ambiguous, except
/// that all paid plans have the same quotas for enrichment and for its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTable {
    pub free: Quota,
    pub free_bulk_enrichment: Quota,
    pub basic: Quota,
    pub professional: Quota,
    pub organization: Quota,
    pub paid_enrichment: Quota,
    pub paid_database: Quota,
}

impl PlanTable {
    /// The other interpretation: 600 calls an hour belong to Professional and 400 to Organization.
    pub const HOURS_SWAPPED: Self = Self {
        professional: Quota::new(200, 600, 2_000),
        organization: Quota::new(200, 400, 6_000),
        ..Self::USUAL
    };

    const USUAL: Self = Self {
        free: Quota::new(50, 200, 600),
        free_bulk_enrichment: Quota::new(20, 100, 600),
        basic: Quota::new(200, 400, 2_000),
        professional: Quota::new(200, 400, 2_000),
        organization: Quota::new(200, 600, 6_000),
        paid_enrichment: Quota {
            per_minute: Some(1_000),
            ..Quota::UNLIMITED
        },
        paid_database: Quota::new(200, 6_000, 50_000),
    };
}

impl Default for PlanTable {
    fn default() -> Self {
        Self::USUAL
    }
}
