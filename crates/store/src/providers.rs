//! The providers that an application has enabled.

use sqlx::FromRow;
use syncline_model::ProviderName;

use crate::{
    Store, StoreError,
    db::{Tx, run},
};

#[derive(Debug, Clone)]
pub struct ConfiguredProvider {
    pub id: String,
    pub application_id: String,
    pub name: ProviderName,
}

#[derive(FromRow)]
struct ProviderRow {
    id: String,
    application_id: String,
    name: String,
}

impl TryFrom<ProviderRow> for ConfiguredProvider {
    type Error = StoreError;

    fn try_from(row: ProviderRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: parse_provider("providers", &row.id, &row.name)?,
            id: row.id,
            application_id: row.application_id,
        })
    }
}

impl Store {
    pub async fn list_providers(
        &self,
        application_id: &str,
    ) -> Result<Vec<ConfiguredProvider>, StoreError> {
        const SQL: &str = "
            SELECT id, application_id, name FROM providers
            WHERE application_id = $1 ORDER BY name";
        let mut reader = self.db.read().await?;
        let rows: Vec<ProviderRow> = run!(reader, |c| sqlx::query_as(SQL)
            .bind(application_id)
            .fetch_all(c)
            .await)?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    pub async fn get_provider(
        &self,
        application_id: &str,
        id: &str,
    ) -> Result<Option<ConfiguredProvider>, StoreError> {
        Ok(self
            .list_providers(application_id)
            .await?
            .into_iter()
            .find(|provider| provider.id == id))
    }

    pub(crate) async fn insert_provider(
        &self,
        tx: &mut Tx,
        application_id: &str,
        name: ProviderName,
    ) -> Result<String, StoreError> {
        const SQL: &str = "
            INSERT INTO providers (id, application_id, name, created_at) VALUES ($1, $2, $3, $4)";
        let (id, now) = (self.new_id(), self.now());
        run!(tx, |c| sqlx::query(SQL)
            .bind(&id)
            .bind(application_id)
            .bind(name.as_str())
            .bind(now)
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::or_duplicate(error, "the provider"))?;
        Ok(id)
    }
}

pub(crate) fn parse_provider(
    table: &'static str,
    row: &str,
    name: &str,
) -> Result<ProviderName, StoreError> {
    name.parse().map_err(|error| StoreError::Inconsistent {
        table,
        column: "provider_name",
        row: row.to_owned(),
        reason: format!("{error}"),
    })
}
