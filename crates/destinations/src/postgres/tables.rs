//! The tables in a destination's schema. They are created where they are missing, and get columns that
//! a later version adds; nothing is ever dropped or given another type.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection};
use syncline_model::{ColumnType, ExportColumn, Object};
use syncline_store::export_columns;

use super::{connect::explain, execute, quoted};
use crate::DestinationError;

pub(super) fn table(schema: &str, object: Object) -> String {
    format!("{}.{}", quoted(schema), quoted(object.table()))
}

pub(super) fn checkpoints(schema: &str) -> String {
    format!("{}.syncline_checkpoints", quoted(schema))
}

/// The type of a column, and how `information_schema` calls it.
fn sql_type(column_type: ColumnType) -> (&'static str, &'static str) {
    match column_type {
        ColumnType::Text => ("text", "text"),
        ColumnType::Boolean => ("boolean", "boolean"),
        ColumnType::Integer => ("bigint", "bigint"),
        ColumnType::Time => ("timestamptz", "timestamp with time zone"),
        ColumnType::Json => ("jsonb", "jsonb"),
    }
}

/// The primary key, as in our own tables.
pub(super) const KEY: [&str; 4] = ["application_id", "customer_id", "provider_name", "id"];
/// What a row can't be without.
const ALWAYS: [&str; 3] = ["connection_id", "is_deleted", "last_modified_at"];

pub(super) async fn prepare(tx: &mut PgConnection, schema: &str) -> Result<(), DestinationError> {
    // Of several workers one creates the tables.
    execute(tx, "SELECT pg_advisory_xact_lock(7955925892137911400)").await?;
    if !exists(tx, schema).await? {
        return Err(DestinationError::failed(format!(
            "schema {schema:?} does not exist: create it, or name another one"
        )));
    }
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {} (
            destination_id text NOT NULL,
            connection_id text NOT NULL,
            epoch text NOT NULL,
            position text,
            stale_before_ms bigint,
            fence bigint NOT NULL,
            written_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (destination_id, connection_id))",
        checkpoints(schema)
    );
    if columns_of(tx, schema, "syncline_checkpoints")
        .await?
        .is_empty()
    {
        execute(tx, &sql).await?;
    }
    for object in Object::ALL {
        prepare_table(tx, schema, *object).await?;
    }
    Ok(())
}

async fn prepare_table(
    tx: &mut PgConnection,
    schema: &str,
    object: Object,
) -> Result<(), DestinationError> {
    let there = columns_of(tx, schema, object.table()).await?;
    let columns = export_columns(object);
    if there.is_empty() {
        return create(tx, schema, object, &columns).await;
    }
    for column in &columns {
        let (name, information_name) = sql_type(column.column_type);
        match there.get(column.name) {
            None => {
                let sql = format!(
                    "ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {name}",
                    table(schema, object),
                    quoted(column.name)
                );
                execute(tx, &sql).await?;
            }
            Some(other) if other != information_name => {
                return Err(DestinationError::failed(format!(
                    "column {} of table {schema}.{} has the type {other}, and Syncline writes {name}: \
                     rename the column, or name another schema",
                    column.name,
                    object.table()
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

async fn create(
    tx: &mut PgConnection,
    schema: &str,
    object: Object,
    columns: &[ExportColumn],
) -> Result<(), DestinationError> {
    let definitions: Vec<String> = columns
        .iter()
        .map(|column| {
            let is_needed = KEY.contains(&column.name) || ALWAYS.contains(&column.name);
            let not_null = if is_needed { " NOT NULL" } else { "" };
            let (name, _) = sql_type(column.column_type);
            format!("{} {name}{not_null}", quoted(column.name))
        })
        .collect();
    let table_name = table(schema, object);
    let sql = format!(
        "CREATE TABLE {table_name} ({}, PRIMARY KEY ({}));
         CREATE INDEX {} ON {table_name} (connection_id, last_modified_at)",
        definitions.join(", "),
        KEY.join(", "),
        quoted(&format!("{}_modified", object.table())),
    );
    execute(tx, &sql).await
}

async fn exists(tx: &mut PgConnection, schema: &str) -> Result<bool, DestinationError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
        .persistent(false)
        .bind(schema)
        .fetch_one(tx)
        .await
        .map_err(|error| explain(&error))
}

/// The types of a table's columns by name; none if there is no such table.
async fn columns_of(
    tx: &mut PgConnection,
    schema: &str,
    table: &str,
) -> Result<HashMap<String, String>, DestinationError> {
    const SQL: &str = "
        SELECT a.attname::text, format_type(a.atttypid, NULL)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";
    let columns: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(SQL))
        .persistent(false)
        .bind(schema)
        .bind(table)
        .fetch_all(tx)
        .await
        .map_err(|error| explain(&error))?;
    Ok(columns.into_iter().collect())
}
