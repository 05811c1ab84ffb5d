//! Price plans and their quotas.

use crate::limits::Quota;

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
    /// The quota per action.
    pub fn quota(self, plans: &PlanTable) -> Quota {
        match self {
            Self::Unlimited => Quota::UNLIMITED,
            Self::Free => plans.free,
            Self::Basic => plans.basic,
            Self::Professional => plans.professional,
            Self::Organization => plans.organization,
            Self::Custom(quota) => quota,
        }
    }
}

/// The quotas of each plan, per action.
///
/// Recorded headers show the free plan's numbers and 200, 400 and 2,000 for a paid one; the example
/// of the usage statistics shows 200, 600 and 6,000. Apollo's own documentation is ambiguous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTable {
    pub free: Quota,
    pub basic: Quota,
    pub professional: Quota,
    pub organization: Quota,
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
        basic: Quota::new(200, 400, 2_000),
        professional: Quota::new(200, 400, 2_000),
        organization: Quota::new(200, 600, 6_000),
    };
}

impl Default for PlanTable {
    fn default() -> Self {
        Self::USUAL
    }
}
