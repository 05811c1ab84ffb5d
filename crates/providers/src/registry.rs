//! The providers of this process, by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use syncline_model::{AuthType, Containment, Object, ProviderName, SyncConfigData, VolumeLimits};

use crate::{
    apollo, error::SetupError, http::Transport, oauth::OAuthConfig, outreach, provider::Provider,
    salesloft,
};

/// A provider that Syncline comes with.
pub struct BuiltIn {
    pub name: ProviderName,
    pub base_url: &'static str,
    /// How much is read of an account unless something else is set.
    pub limits: VolumeLimits,
    pub(crate) make: fn(ProviderConfig) -> Result<Arc<dyn Provider>, SetupError>,
}

/// All of them, by name.
pub const BUILT_IN: &[BuiltIn] = &[apollo::BUILT_IN, outreach::BUILT_IN, salesloft::BUILT_IN];

/// Where a provider is, and how it is reached.
#[derive(Clone)]
pub struct ProviderConfig {
    /// Without a path: `https://api.apollo.io`.
    pub base_url: String,
    /// Sends the requests; `None` is the network, which the passthrough always uses.
    pub transport: Option<Arc<dyn Transport>>,
    pub oauth: OAuthConfig,
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("base_url", &self.base_url)
            .field("over_the_network", &self.transport.is_none())
            .finish_non_exhaustive()
    }
}

/// The providers of this process, one of each. Cheap to clone.
#[derive(Clone)]
pub struct Providers(Arc<BTreeMap<ProviderName, Arc<dyn Provider>>>);

/// This process has no provider of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider '{name}': {known} is expected")]
pub struct UnknownProvider {
    pub name: String,
    /// In words: `one of apollo, outreach`.
    known: String,
}

impl Providers {
    /// Those of [`BUILT_IN`], each set up by what `config` says of it.
    pub fn built_in(
        mut config: impl FnMut(&BuiltIn) -> ProviderConfig,
    ) -> Result<Self, SetupError> {
        let all: Result<Vec<_>, SetupError> = BUILT_IN
            .iter()
            .map(|built_in| (built_in.make)(config(built_in)))
            .collect();
        Ok(Self::of(all?))
    }

    pub fn of(providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        let by_name = providers
            .into_iter()
            .map(|provider| (provider.name(), provider));
        Self(Arc::new(by_name.collect()))
    }

    pub fn get(&self, name: ProviderName) -> Result<&Arc<dyn Provider>, UnknownProvider> {
        self.named(name.as_str())
    }

    /// The provider that somebody names.
    pub fn named(&self, name: &str) -> Result<&Arc<dyn Provider>, UnknownProvider> {
        let found = name
            .parse()
            .ok()
            .and_then(|name: ProviderName| self.0.get(&name));
        found.ok_or_else(|| UnknownProvider {
            name: name.to_owned(),
            known: self.in_words(),
        })
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.values()
    }

    /// The providers that a new application has without asking for them, with their sync configs:
    /// those that need no application of their own at the provider.
    pub fn enabled_at_first(&self) -> Vec<(ProviderName, SyncConfigData)> {
        let by_key = self
            .all()
            .filter(|provider| provider.auth_types().first() == Some(&AuthType::ApiKey));
        by_key
            .map(|provider| (provider.name(), SyncConfigData::hourly(&provider.objects())))
            .collect()
    }

    /// What they put into what.
    pub fn containment(&self) -> Containment {
        let carried = self.all().flat_map(|provider| {
            let of = |object: &Object| {
                let carrier = provider.support(*object).carried_in?;
                Some(((provider.name(), *object), carrier))
            };
            Object::ALL.iter().filter_map(of).collect::<Vec<_>>()
        });
        carried.collect()
    }

    fn in_words(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(ProviderName::as_str).collect();
        match names.as_slice() {
            [one] => format!("'{one}'"),
            names => format!("one of {}", names.join(", ")),
        }
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
