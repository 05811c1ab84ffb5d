//! The webhook endpoints: how many there are, and which Syncline disabled.

use syncline_store::{PageRequest, Store, StoreError};

use super::report::Report;
use crate::commands::one_line;

const NAME: &str = "webhooks";
/// More endpoints than an application may have.
const MOST: i64 = 1000;

pub(super) async fn look_at(report: &mut Report, store: &Store) {
    if let Err(error) = look(report, store).await {
        report.bad(NAME, one_line(&error.into()));
    }
}

async fn look(report: &mut Report, store: &Store) -> Result<(), StoreError> {
    let page = PageRequest {
        limit: MOST,
        ..PageRequest::default()
    };
    let mut endpoints = Vec::new();
    for application in store.list_applications().await? {
        let tenant = store.tenant(&application.id);
        endpoints.extend(tenant.list_webhook_endpoints(&page).await?);
    }
    let enabled = endpoints.iter().filter(|endpoint| endpoint.enabled);
    report.ok(
        NAME,
        format!(
            "{} of {} endpoints are enabled",
            enabled.count(),
            endpoints.len()
        ),
    );
    // Endpoints that users disabled themselves are not reported.
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.enabled) {
        if let Some(reason) = &endpoint.disabled_reason {
            report.note(NAME, format!("{} is disabled: {reason}", endpoint.id));
        }
    }
    Ok(())
}
