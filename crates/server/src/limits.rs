//! How much may be read from a provider: as configured, and as a connection overrides it.

use serde::Serialize;
use syncline_model::{InvalidLimit, LimitOverrides, Object, ProviderName, VolumeLimits};
use syncline_providers::Provider;
use syncline_store::Connection;
use utoipa::ToSchema;

use crate::{
    AppState,
    error::{ApiError, ApiResult},
};

/// The limits that apply to a connection, from the configuration or its own.
#[derive(Serialize, ToSchema)]
#[schema(as = volume_limits)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the settings, and of the fields that set them"
)]
pub(crate) struct LimitsBody {
    /// Records that one run of one object may read; null: any number.
    #[schema(required = true)]
    records_per_object: Option<i64>,
    /// Records that may be read in any 60 minutes; null: any number.
    #[schema(required = true)]
    records_per_hour: Option<i64>,
    /// Records that may be read in any 24 hours; null: any number.
    #[schema(required = true)]
    records_per_day: Option<i64>,
}

impl From<VolumeLimits> for LimitsBody {
    fn from(limits: VolumeLimits) -> Self {
        Self {
            records_per_object: limits.records_per_object,
            records_per_hour: limits.records_per_hour,
            records_per_day: limits.records_per_day,
        }
    }
}

impl AppState {
    /// How much a connection may read.
    pub(crate) fn limits_of(&self, connection: &Connection) -> VolumeLimits {
        self.limits.of(connection.provider, connection.limits)
    }

    /// Rejects invalid limits of a connection; the error names the field of `limits` in the body.
    pub(crate) fn check_limits(
        &self,
        provider: ProviderName,
        overrides: LimitOverrides,
    ) -> ApiResult<()> {
        let limits = self.limits.of(provider, overrides);
        let provider = self.providers.get(provider)?;
        check_limits(&**provider, &limits).map_err(|InvalidLimit { field, reason }| {
            ApiError::validation(format!("limits.{field}"), reason)
        })
    }
}

/// Whether limits make sense for a provider: they must allow a whole page, and must not exceed what
/// its lists return.
pub fn check_limits(provider: &dyn Provider, limits: &VolumeLimits) -> Result<(), InvalidLimit> {
    let supports = || Object::ALL.iter().map(|object| provider.support(*object));
    let page_size = supports().filter_map(|support| support.page_size).max();
    let most_listed = supports().filter_map(|support| support.most_listed).max();
    limits.check(page_size.unwrap_or(1), most_listed)
}
