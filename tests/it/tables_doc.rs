//! docs/tables.md compared with the real schema: no column is missing, none is invented, types and
//! nulls are correct, and its queries work.

use std::{collections::BTreeSet, fs, path::Path};

use macro_rules_attribute::apply;

use crate::support::{Database, on_both_databases};

/// The section of the columns that every table has.
const COMMON: &str = "Columns of every table";

#[apply(on_both_databases)]
async fn the_page_has_every_column_of_every_table_and_no_other(database: Database) {
    let page = page();
    let common = columns(section(&page, COMMON));
    database.with_schema().await;
    for table in tables(&database).await {
        let own = columns(section(&page, &table));
        let mut told = BTreeSet::new();
        for column in common.iter().chain(&own) {
            let line = format!(
                "{} {} {}",
                column.name,
                column.type_on(&database),
                column.null
            );
            assert!(told.insert(line), "{table} has {} twice", column.name);
        }
        let there = schema(&database, &table).await;
        let missing: Vec<&String> = there.difference(&told).collect();
        let invented: Vec<&String> = told.difference(&there).collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "docs/tables.md, {table}: it doesn't have {missing:?}, and it has {invented:?}"
        );
    }
}

#[apply(on_both_databases)]
async fn the_page_names_the_tables_that_are_there(database: Database) {
    database.with_schema().await;
    let there = tables(&database).await;
    assert_eq!(there.len(), 6, "{there:?}");
    let page = page();
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let told: BTreeSet<&str> = headings
        .filter(|it| it.starts_with("engagement_"))
        .collect();
    assert_eq!(told, there.iter().map(String::as_str).collect());
}

#[apply(on_both_databases)]
async fn the_queries_of_the_page_work(database: Database) {
    database.with_schema().await;
    let page = page();
    let other = if database.is_postgres {
        "-- SQLite"
    } else {
        "-- PostgreSQL"
    };
    let blocks = page
        .split("```sql\n")
        .skip(1)
        .map(|it| it.split("```").next().unwrap());
    let queries: Vec<&str> = blocks.filter(|block| !block.starts_with(other)).collect();
    assert!(queries.len() >= 5, "{queries:?}");
    for query in queries {
        database.execute(query).await;
    }
}

struct Column {
    name: String,
    postgres: String,
    sqlite: String,
    null: String,
}

impl Column {
    fn type_on(&self, database: &Database) -> &str {
        if database.is_postgres {
            &self.postgres
        } else {
            &self.sqlite
        }
    }
}

fn page() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tables.md");
    fs::read_to_string(file).unwrap()
}

/// The text between a heading and the next one.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = format!("\n## {heading}\n");
    let (_, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("docs/tables.md has no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

fn columns(section: &str) -> Vec<Column> {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let columns: Vec<Column> = rows.map(column).collect();
    assert!(!columns.is_empty(), "no columns in {section}");
    columns
}

fn column(row: &str) -> Column {
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let [_, name, postgres, sqlite, null, _meaning, _] = cells.as_slice() else {
        panic!("not five cells: {row}");
    };
    Column {
        name: name.trim_matches('`').to_owned(),
        postgres: (*postgres).to_owned(),
        sqlite: (*sqlite).to_owned(),
        null: (*null).to_owned(),
    }
}

/// The tables that are meant to be queried.
async fn tables(database: &Database) -> Vec<String> {
    let mut tables = database.tables().await;
    tables.retain(|table| table.starts_with("engagement_"));
    tables
}

/// A line for each column: its name, its type, and whether it may be null. SQLite's declared types
/// are PostgreSQL's names, although it stores other types.
async fn schema(database: &Database, table: &str) -> BTreeSet<String> {
    let sql = if database.is_postgres {
        format!(
            "SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, NULL)
                 , CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END), chr(10))
             FROM pg_attribute a
             WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped"
        )
    } else {
        format!(
            "SELECT group_concat(name || ' '
                 || CASE lower(type) WHEN 'boolean' THEN 'integer' WHEN 'bigint' THEN 'integer'
                        WHEN 'timestamptz' THEN 'text' WHEN 'jsonb' THEN 'text' ELSE lower(type) END
                 || ' ' || CASE WHEN \"notnull\" THEN 'no' ELSE 'yes' END, char(10))
             FROM pragma_table_info('{table}')"
        )
    };
    let lines = database.text(&sql).await.unwrap();
    let short = |line: &str| line.replace("timestamp with time zone", "timestamptz");
    lines.lines().map(short).collect()
}
