//! The providers: do they answer, and what time is it there?

use syncline_model::{ProviderName, SystemClock};

use super::{difference, report::Report};
use crate::{compose::connect_providers, config::Config};

/// Asks for nothing, and without credentials: any answer will do.
pub(super) async fn look_at(report: &mut Report, config: &Config) {
    // Where the address is wrong, the configuration's line says it.
    let Ok(providers) = connect_providers(config) else {
        return;
    };
    for name in ProviderName::ALL {
        let asked = SystemClock::default().machine_now();
        let place = &config.providers.apollo.base_url;
        match providers.get(*name).reach().await {
            Ok(answer) => {
                report.ok(name.as_str(), format!("{place} answers"));
                if let Some(date) = answer.date() {
                    difference(report, &format!("{name}'s clock"), date - asked);
                }
            }
            Err(error) => report.bad(
                name.as_str(),
                format!("{place} does not answer: {}", error.message),
            ),
        }
    }
}
