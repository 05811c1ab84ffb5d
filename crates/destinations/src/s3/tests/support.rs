//! Rows, a prefix of its own for each test, and readers that aren't ours.

use std::collections::HashSet;

use serde_json::{Value, json};
use syncline_model::{Cell, ColumnType, ExportColumn, ExportRow, ExportRows, Object, Time, time};
use tokio::process::Command;

use crate::s3::{Bucket, Gone, Manifest, S3Config, S3Error, Source};

/// A destination on the test server, and the connection that is written to it.
pub(super) struct Lake {
    pub(super) bucket: Bucket,
    pub(super) source: Source,
    pub(super) config: S3Config,
}

pub(super) fn from_server(name: &str) -> String {
    std::env::var(name).expect("these tests need an S3 server: run them with tests/run")
}

pub(super) fn config() -> S3Config {
    let prefix = format!("t{:016x}", rand::random::<u64>());
    S3Config {
        bucket: from_server("TEST_S3_BUCKET"),
        prefix,
        region: "us-east-1".to_owned(),
        endpoint: Some(from_server("TEST_S3_ENDPOINT")),
        access_key_id: from_server("TEST_S3_ACCESS_KEY_ID"),
        secret_access_key: from_server("TEST_S3_SECRET_ACCESS_KEY").into(),
    }
}

pub(super) fn install_tls() {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Lake {
    pub(super) fn new() -> Self {
        Self::at(config())
    }

    pub(super) fn at(config: S3Config) -> Self {
        install_tls();
        Self {
            bucket: Bucket::connect(&config, true).unwrap(),
            source: Source {
                application_id: "app".to_owned(),
                customer_id: "acme".to_owned(),
                provider_name: "apollo".to_owned(),
                connection_id: "018f0000-0000-7000-8000-000000000001".to_owned(),
            },
            config,
        }
    }

    pub(super) async fn newest(&self) -> Manifest {
        self.bucket.manifest(&self.source).await.unwrap()
    }

    /// Writes contacts as the next batch, at a second of the tests' hour.
    pub(super) async fn write(&self, second: i64, rows: Vec<ExportRow>) -> Manifest {
        self.try_write(second, rows).await.unwrap()
    }

    pub(super) async fn try_write(
        &self,
        second: i64,
        rows: Vec<ExportRow>,
    ) -> Result<Manifest, S3Error> {
        let current = self.bucket.manifest(&self.source).await?;
        let checkpoint = format!("after {second}");
        let batch = vec![contacts(rows)];
        let now = at(second);
        self.bucket.write(&current, batch, &checkpoint, now).await
    }

    pub(super) async fn rewrite(&self, second: i64, erased: &[&str]) -> Manifest {
        let current = self.newest().await;
        let erased: HashSet<_> = erased.iter().map(|&it| it.to_owned()).collect();
        let erased = Gone::new(Some(erased), None);
        self.bucket
            .rewrite(&current, Object::Contact, &columns(), erased, at(second))
            .await
            .unwrap()
    }

    /// All objects under the prefix.
    pub(super) async fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for directory in ["contacts", "accounts", "_manifests", "_test"] {
            paths.extend(self.bucket.list(directory).await.unwrap());
        }
        paths
    }

    /// What both examples of `docs/destinations.md` read, which must be the same.
    pub(super) async fn read_by_others(&self) -> Value {
        let read = self.python(&["newest", &self.root()]).await;
        assert_eq!(read["duckdb"], read["pyarrow"]);
        read["duckdb"].clone()
    }

    /// The objects that hold a text, wherever in their content.
    pub(super) async fn holding(&self, text: &str) -> Vec<Value> {
        let found = self.python(&["holding", &self.root(), text]).await;
        found.as_array().unwrap().clone()
    }

    fn root(&self) -> String {
        format!("{}/{}", self.config.bucket, self.config.prefix)
    }

    async fn python(&self, arguments: &[&str]) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/read.py");
        let output = Command::new(from_server("TEST_S3_PYTHON"))
            .arg(script)
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", from_server("TEST_S3_ACCESS_KEY_ID"))
            .env(
                "AWS_SECRET_ACCESS_KEY",
                from_server("TEST_S3_SECRET_ACCESS_KEY"),
            )
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// A second of the hour in which the tests play.
pub(super) fn at(second: i64) -> Time {
    Time::from_timestamp_millis(1_772_352_000_123 + second * 1000).unwrap()
}

pub(super) fn columns() -> Vec<ExportColumn> {
    let column = |name, column_type, nullable| ExportColumn {
        name,
        column_type,
        nullable,
    };
    vec![
        column("application_id", ColumnType::Text, false),
        column("customer_id", ColumnType::Text, false),
        column("provider_name", ColumnType::Text, false),
        column("id", ColumnType::Text, false),
        column("name", ColumnType::Text, true),
        column("opted_out", ColumnType::Boolean, true),
        column("employees", ColumnType::Integer, true),
        column("is_deleted", ColumnType::Boolean, false),
        column("last_modified_at", ColumnType::Time, false),
        column("seen_at", ColumnType::Time, true),
        column("raw_data", ColumnType::Json, true),
    ]
}

pub(super) fn contacts(rows: Vec<ExportRow>) -> ExportRows {
    ExportRows {
        object: Object::Contact,
        columns: columns(),
        rows,
    }
}

/// A contact that was changed at a second.
pub(super) fn contact(id: &str, second: i64, name: &str) -> ExportRow {
    let text = |text: &str| Cell::Text(text.to_owned());
    ExportRow {
        id: id.to_owned(),
        last_modified_at: at(second),
        cells: vec![
            text("app"),
            text("acme"),
            text("apollo"),
            text(id),
            text(name),
            Cell::Null,
            Cell::Null,
            Cell::Boolean(false),
            Cell::Time(at(second)),
            Cell::Null,
            Cell::Json(json!({ "name": name }).to_string()),
        ],
    }
}

pub(super) fn with(mut row: ExportRow, column: &str, cell: Cell) -> ExportRow {
    let place = columns().iter().position(|it| it.name == column).unwrap();
    row.cells[place] = cell;
    row
}

/// A row as readers should see it.
pub(super) fn as_read(row: &ExportRow) -> Value {
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) | Cell::Json(text) => json!(text),
        Cell::Boolean(value) => json!(value),
        Cell::Integer(value) => json!(value),
        Cell::Time(value) => json!(time::format(*value)),
    };
    let cells = row.cells.iter().map(value);
    let named = columns().into_iter().zip(cells);
    named
        .map(|(column, value)| (column.name.to_owned(), value))
        .collect()
}

/// The ids and names that others read.
pub(super) fn names(rows: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (text(&row["id"]), text(&row["name"])))
        .collect()
}

pub(super) fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, name): &(&str, &str)| ((*id).to_owned(), (*name).to_owned());
    pairs.iter().map(owned).collect()
}
