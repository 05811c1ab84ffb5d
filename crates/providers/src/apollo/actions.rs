//! Actions at Apollo: `actions.json` has them, as Apollo's reference names its endpoints.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Apollo,
    api::{Endpoint, unreadable},
    error,
    live::records_of,
};
use crate::{
    actions::{Acted, Actions, ProviderAction, catalogue_in},
    error::ProviderError,
    session::Session,
};

pub(crate) const FILE: &str = include_str!("actions.json");

pub(crate) static CATALOGUE: LazyLock<Vec<ProviderAction>> = LazyLock::new(|| catalogue_in(FILE));

#[async_trait]
impl Actions for Apollo {
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
        let response = self.call(session, endpoint).await;
        let response = response.map_err(error::of_one_record)?;
        action.acted(&response, unreadable, |object, found| {
            records_of(&response, object, found).ok()
        })
    }
}
