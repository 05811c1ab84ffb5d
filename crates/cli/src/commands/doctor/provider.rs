//! The providers: whether they answer, and whether their clocks agree.

use syncline_model::SystemClock;

use super::{difference, report::Report};
use crate::{compose::connect_providers, config::Config};

/// Sends a request without credentials: any answer is enough.
pub(super) async fn look_at(report: &mut Report, config: &Config) {
    // An invalid address is reported by the line about the configuration.
    let Ok(providers) = connect_providers(config) else {
        return;
    };
    for provider in providers.all() {
        let name = provider.name();
        let asked = SystemClock::default().machine_now();
        let place = &config.providers.apollo.base_url;
        match provider.reach().await {
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
