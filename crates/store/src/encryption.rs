//! Rotation of the encryption keys: checks them against the stored secrets, reports which key encrypted what, and
//! re-encrypts everything under the newest key.

use secrecy::{ExposeSecret, SecretString};
use sqlx::AssertSqlSafe;

use crate::{
    Store, StoreError,
    db::run,
    sealing::{SEALED_COLUMNS, SealedColumn, key_id},
    timestamp::at,
};

/// A value that is stored at the first start, to detect wrong keys.
pub(crate) const CHECK: SealedColumn = SealedColumn {
    table: "encryption_check",
    column: "sealed",
    key: "name",
};
const CHECK_ROW: &str = "first start";
const CHECK_TEXT: &str = "the encryption keys are the right ones";

/// How many rows `reseal_secrets` reads per query.
const BATCH: i64 = 200;
/// The maximum number of passes. It is enough for concurrent writes; a process that keeps
/// encrypting under an older key would otherwise make the loop endless.
const PASSES: usize = 20;

/// How many values of a column were encrypted under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBy {
    /// `table.column`
    pub column: String,
    /// `None` if the values have an unknown format.
    pub key_id: Option<String>,
    pub values: i64,
}

/// The result of re-encrypting the secrets under the newest key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReencryptionResult {
    pub values: u64,
    /// Why secrets could not be decrypted by any configured key. They are left unchanged.
    pub unopened: Vec<String>,
}

/// The name of a row, and its stored secret.
type SealedRow = (String, String);

impl Store {
    /// Checks that every key in use is configured. Called at the start, so that a wrong key is
    /// noticed there and not in the first sync.
    pub async fn check_encryption_keys(&self) -> Result<(), StoreError> {
        for found in self.sealed_by().await? {
            if let Some(key_id) = found.key_id.filter(|id| !self.keys.has(id)) {
                let column = found.column;
                return Err(StoreError::UnknownEncryptionKey { column, key_id });
            }
        }
        self.make_check().await?;
        let opened = self.unseal(&CHECK, CHECK_ROW, &self.check().await?)?;
        if opened.expose_secret() == CHECK_TEXT {
            return Ok(());
        }
        Err(StoreError::Inconsistent {
            table: CHECK.table,
            column: CHECK.column,
            row: CHECK_ROW.to_owned(),
            reason: "it has another text".to_owned(),
        })
    }

    /// Stores the check value if there is none. If processes start at once with different keys, the
    /// first one's value stays.
    async fn make_check(&self) -> Result<(), StoreError> {
        const THERE: &str = "SELECT count(*) FROM encryption_check WHERE name = $1";
        const MAKE: &str = "
            INSERT INTO encryption_check (name, sealed, created_at) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO NOTHING";
        let mut reader = self.db.read().await?;
        let there: i64 = run!(reader, |c| sqlx::query_scalar(THERE)
            .bind(CHECK_ROW)
            .fetch_one(c)
            .await)?;
        drop(reader);
        if there > 0 {
            return Ok(());
        }
        let sealed = self.seal(&CHECK, CHECK_ROW, &SecretString::from(CHECK_TEXT));
        let mut tx = self.db.begin().await?;
        run!(tx, |c| sqlx::query(MAKE)
            .bind(CHECK_ROW)
            .bind(&sealed)
            .bind(at(self.now()))
            .execute(c)
            .await
            .map(drop))?;
        Ok(tx.commit().await?)
    }

    async fn check(&self) -> Result<String, StoreError> {
        const SQL: &str = "SELECT sealed FROM encryption_check WHERE name = $1";
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_scalar(SQL)
            .bind(CHECK_ROW)
            .fetch_one(c)
            .await)?)
    }

    /// How many values are encrypted under which key, in every column with secrets.
    pub async fn sealed_by(&self) -> Result<Vec<SealedBy>, StoreError> {
        let mut reader = self.db.read().await?;
        let mut found = Vec::new();
        for column in SEALED_COLUMNS {
            let sql = column.count_by_head();
            let heads: Vec<(String, i64)> = run!(reader, |c| sqlx::query_as(AssertSqlSafe(&*sql))
                .fetch_all(c)
                .await)?;
            found.extend(heads.into_iter().map(|(head, values)| SealedBy {
                column: column.to_string(),
                key_id: key_id(&head).map(str::to_owned),
                values,
            }));
        }
        Ok(found)
    }

    /// Re-encrypts every secret under the newest key, row by row, while others keep working: a
    /// value that changes meanwhile is left alone and retried in the next pass.
    pub async fn reseal_secrets(&self) -> Result<ReencryptionResult, StoreError> {
        let mut all = ReencryptionResult::default();
        for _ in 0..PASSES {
            let mut pass = Pass::default();
            for column in SEALED_COLUMNS {
                self.reseal_column(column, &mut pass).await?;
            }
            all.values += pass.resealed;
            all.unopened = pass.unopened;
            if pass.resealed == 0 && pass.overtaken == 0 {
                break;
            }
        }
        Ok(all)
    }

    async fn reseal_column(
        &self,
        column: &SealedColumn,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let rows = self.under_other_keys(column, &after).await?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for (row, sealed) in rows {
                match self.reseal(column, &row, &sealed) {
                    Ok(None) => {}
                    Ok(Some(newer)) => {
                        if self.replace(column, &row, &sealed, &newer).await? {
                            pass.resealed += 1;
                        } else {
                            pass.overtaken += 1;
                        }
                    }
                    Err(error) => pass.unopened.push(error.to_string()),
                }
            }
        }
    }

    /// Rows whose value is not encrypted under the newest key, ordered by name.
    async fn under_other_keys(
        &self,
        column: &SealedColumn,
        after: &str,
    ) -> Result<Vec<SealedRow>, StoreError> {
        let sql = column.list_under_other_heads();
        let head = self.newest_head();
        let mut reader = self.db.read().await?;
        Ok(run!(reader, |c| sqlx::query_as(AssertSqlSafe(&*sql))
            .bind(&head)
            .bind(after)
            .bind(BATCH)
            .fetch_all(c)
            .await)?)
    }

    /// `false` if the row is gone or its value has changed.
    async fn replace(
        &self,
        column: &SealedColumn,
        row: &str,
        sealed: &str,
        newer: &str,
    ) -> Result<bool, StoreError> {
        let sql = column.replace();
        let mut tx = self.db.begin().await?;
        let replaced = run!(tx, |c| sqlx::query(AssertSqlSafe(&*sql))
            .bind(row)
            .bind(sealed)
            .bind(newer)
            .execute(c)
            .await?
            .rows_affected());
        tx.commit().await?;
        Ok(replaced == 1)
    }

    /// Tries to decrypt every secret, and returns the errors.
    pub async fn unopened_secrets(&self) -> Result<Vec<String>, StoreError> {
        let mut unopened = Vec::new();
        for column in SEALED_COLUMNS {
            let sql = column.list();
            let mut after = String::new();
            loop {
                let mut reader = self.db.read().await?;
                let rows: Vec<SealedRow> = run!(reader, |c| sqlx::query_as(AssertSqlSafe(&*sql))
                    .bind(&after)
                    .bind(BATCH)
                    .fetch_all(c)
                    .await)?;
                drop(reader);
                let Some((last, _)) = rows.last() else {
                    break;
                };
                after.clone_from(last);
                let failed = rows
                    .iter()
                    .filter_map(|(row, sealed)| self.unseal(column, row, sealed).err());
                unopened.extend(failed.map(|error| error.to_string()));
            }
        }
        Ok(unopened)
    }

    /// The ids of the configured keys, newest first.
    pub fn encryption_key_ids(&self) -> Vec<String> {
        self.keys.ids()
    }
}

/// One pass over every column.
#[derive(Default)]
struct Pass {
    resealed: u64,
    /// Values that changed in the meantime.
    overtaken: u64,
    unopened: Vec<String>,
}

/// The column's statements. Its names are constants, never a caller's input.
impl SealedColumn {
    fn count_by_head(&self) -> String {
        let Self { table, column, .. } = self;
        format!(
            "SELECT substr({column}, 1, 12), count(*) FROM {table} WHERE {column} IS NOT NULL
             GROUP BY substr({column}, 1, 12) ORDER BY 1"
        )
    }

    fn list(&self) -> String {
        let Self { table, column, key } = self;
        format!(
            "SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL AND {key} > $1
             ORDER BY {key} LIMIT $2"
        )
    }

    fn list_under_other_heads(&self) -> String {
        let Self { table, column, key } = self;
        format!(
            "SELECT {key}, {column} FROM {table}
             WHERE {column} IS NOT NULL AND substr({column}, 1, 12) <> $1 AND {key} > $2
             ORDER BY {key} LIMIT $3"
        )
    }

    fn replace(&self) -> String {
        let Self { table, column, key } = self;
        format!("UPDATE {table} SET {column} = $3 WHERE {key} = $1 AND {column} = $2")
    }
}
