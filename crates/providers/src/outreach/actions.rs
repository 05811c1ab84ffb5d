//! Actions at Outreach: `actions.json` has them.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::{Value, value::RawValue};
use syncline_model::{Object, Records};

use super::{Outreach, api::unreadable, mapping};
use crate::{
    actions::{Acted, Actions, ProviderAction, catalogue_in},
    error::ProviderError,
    session::Session,
};

pub(crate) const FILE: &str = include_str!("actions.json");

pub(crate) static CATALOGUE: LazyLock<Vec<ProviderAction>> = LazyLock::new(|| catalogue_in(FILE));

#[async_trait]
impl Actions for Outreach {
    fn catalogue(&self) -> &'static [ProviderAction] {
        &CATALOGUE
    }

    async fn act(
        &self,
        session: &Session<'_>,
        action: &'static ProviderAction,
        input: &Value,
    ) -> Result<Acted, ProviderError> {
        let request = action.render(input)?;
        let response = self.send(session, request).await?;
        action.acted(&response, unreadable, records_in)
    }
}

fn records_in(object: Object, found: &[&RawValue]) -> Option<Records> {
    let (records, rejected) = mapping::map_page(object, found);
    rejected.is_empty().then_some(records)
}
