//! The master keys against what is stored: are the right ones configured?

use sqlx::AssertSqlSafe;

use crate::{
    Store, StoreError,
    db::run,
    sealing::{SEALED_COLUMNS, key_id},
};

impl Store {
    /// Every key that sealed something is configured. Asked at the start, so that a wrong key shows
    /// there and not in the first sync.
    pub async fn check_encryption_keys(&self) -> Result<(), StoreError> {
        let mut reader = self.db.read().await?;
        for column in SEALED_COLUMNS {
            let sql = column.key_ids();
            let heads: Vec<String> = run!(reader, |c| sqlx::query_scalar(AssertSqlSafe(&*sql))
                .fetch_all(c)
                .await)?;
            let missing = heads.iter().filter_map(|head| key_id(head));
            if let Some(key_id) = missing.into_iter().find(|id| !self.keys.has(id)) {
                return Err(StoreError::UnknownEncryptionKey {
                    place: format!("{}.{}", column.table, column.column),
                    key_id: key_id.to_owned(),
                });
            }
        }
        Ok(())
    }
}
