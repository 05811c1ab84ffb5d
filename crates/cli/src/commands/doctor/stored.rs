//! What is stored of whom, where it isn't everything, and which stricter policies are still to be
//! carried out.

use syncline_model::Object;
use syncline_store::{Store, StoreError};

use super::report::Report;
use crate::commands::one_line;

const NAME: &str = "store policy";

pub(super) async fn look_at(report: &mut Report, store: &Store) {
    if let Err(error) = look(report, store).await {
        report.bad(NAME, one_line(&error.into()));
    }
}

async fn look(report: &mut Report, store: &Store) -> Result<(), StoreError> {
    let mut limited = 0;
    for application in store.list_applications().await? {
        let tenant = store.tenant(&application.id);
        let pending = tenant.pending_policies().await?;
        for config in tenant.list_sync_configs().await? {
            for object in Object::ALL {
                let policy = config.config.store_policy(*object);
                if policy.is_full() {
                    continue;
                }
                limited += 1;
                let (provider, objects) = (config.provider, object.plural());
                let what = format!("{provider}: of {objects} {policy} is stored");
                let left = pending
                    .iter()
                    .find(|it| it.object == *object && it.provider_name == provider.as_str());
                match left {
                    None => report.ok(NAME, what),
                    Some(left) => report.note(
                        NAME,
                        format!(
                            "{what}; more is left since {} and is being removed ({} to do)",
                            syncline_model::time::format(left.since),
                            left.pending
                        ),
                    ),
                }
            }
        }
    }
    if limited == 0 {
        report.ok(NAME, "everything is stored of every object");
    }
    Ok(())
}
