//! The providers of this process, by name.

use std::{fmt, sync::Arc};

use syncline_model::ProviderName;

use crate::{
    apollo::{Apollo, ApolloConfig},
    error::SetupError,
    unified::Unified,
};

/// The providers of this process, one of each.
#[derive(Clone)]
pub struct Providers {
    apollo: Arc<dyn Unified>,
}

impl Providers {
    pub fn new(apollo: ApolloConfig) -> Result<Self, SetupError> {
        Ok(Self {
            apollo: Arc::new(Apollo::new(apollo)?),
        })
    }

    pub fn get(&self, name: ProviderName) -> &Arc<dyn Unified> {
        match name {
            ProviderName::Apollo => &self.apollo,
        }
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(ProviderName::ALL).finish()
    }
}
