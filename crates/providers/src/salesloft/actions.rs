//! Actions at Salesloft: `actions.json` has them.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::{Value, value::RawValue};
use syncline_model::{Object, Records};

use super::{
    Salesloft,
    api::{Endpoint, unreadable},
    mapping,
};
use crate::{
    actions::{Acted, Actions, ProviderAction, catalogue_in},
    error::ProviderError,
    session::Session,
};

pub(crate) const FILE: &str = include_str!("actions.json");

pub(crate) static CATALOGUE: LazyLock<Vec<ProviderAction>> = LazyLock::new(|| catalogue_in(FILE));

#[async_trait]
impl Actions for Salesloft {
    fn catalogue(&self) -> &'static [ProviderAction] {
        &CATALOGUE
    }

    async fn act(
        &self,
        session: &Session<'_>,
        action: &'static ProviderAction,
        input: &Value,
    ) -> Result<Acted, ProviderError> {
        let endpoint = Endpoint::rendered(action.render(input)?);
        let response = self.call(session, endpoint).await?;
        action.acted(&response, unreadable, records_in)
    }
}

fn records_in(object: Object, found: &[&RawValue]) -> Option<Records> {
    let mapped = mapping::map_page(object, found);
    mapped.rejected.is_empty().then_some(mapped.records)
}
