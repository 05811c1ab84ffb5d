//! The providers: whether they answer, and whether their clocks agree.

use syncline_model::{ProviderName, SystemClock};
use syncline_providers::BUILT_IN;

use super::{difference, report::Report};
use crate::{compose::connect_providers, config::Config};

/// Sends a request without credentials to each provider that an application has enabled, or has from
/// the start: any answer is enough.
pub(super) async fn look_at(
    report: &mut Report,
    config: &Config,
    enabled: Option<Vec<ProviderName>>,
) {
    // An invalid address is reported by the line about the configuration.
    let Ok(providers) = connect_providers(config) else {
        return;
    };
    let at_first = || {
        let at_first = providers.enabled_at_first().into_iter();
        at_first.map(|(name, _)| name).collect()
    };
    let used: Vec<ProviderName> = enabled.unwrap_or_else(at_first);
    for built_in in BUILT_IN.iter().filter(|it| used.contains(&it.name)) {
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
