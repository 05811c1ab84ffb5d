//! The providers: whether they answer, and whether their clocks agree.

use syncline_model::SystemClock;
use syncline_providers::BUILT_IN;

use super::{difference, report::Report};
use crate::{compose::connect_providers, config::Config};

/// Sends a request without credentials: any answer is enough.
pub(super) async fn look_at(report: &mut Report, config: &Config) {
    // An invalid address is reported by the line about the configuration.
    let Ok(providers) = connect_providers(config) else {
        return;
    };
    for built_in in BUILT_IN {
        let name = built_in.name;
        let Ok(provider) = providers.get(name) else {
            continue;
        };
        let asked = SystemClock::default().machine_now();
        let place = config.base_url_of(built_in);
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
