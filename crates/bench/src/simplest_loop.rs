//! The simplest loop that keeps a copy: read a page, parse it, upsert its rows. It has no leases,
//! checkpoints, counters, limits or events, and marks nothing as deleted: what it takes is the price of
//! the work itself.

use std::{str::FromStr, time::Instant};

use anyhow::Context;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::{alternatives::Took, simulator::Simulator};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS contacts (
        id text PRIMARY KEY, owner_id text, account_id text, first_name text, last_name text,
        job_title text, address jsonb, email_addresses jsonb, phone_numbers jsonb, created_at timestamptz,
        updated_at timestamptz, raw_data jsonb COMPRESSION lz4);
    CREATE TABLE IF NOT EXISTS sequence_states (
        id text PRIMARY KEY, contact_id text, sequence_id text, mailbox_id text, user_id text,
        state text, raw_data jsonb COMPRESSION lz4)";

const CONTACTS: &str = "
    INSERT INTO contacts
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::jsonb[], $8::jsonb[], $9::jsonb[], $10::text[]::timestamptz[], $11::text[]::timestamptz[], $12::jsonb[])
    ON CONFLICT (id) DO UPDATE SET owner_id = excluded.owner_id, account_id = excluded.account_id,
        first_name = excluded.first_name, last_name = excluded.last_name,
        job_title = excluded.job_title, address = excluded.address,
        email_addresses = excluded.email_addresses, phone_numbers = excluded.phone_numbers,
        created_at = excluded.created_at, updated_at = excluded.updated_at,
        raw_data = excluded.raw_data";

const STATES: &str = "
    INSERT INTO sequence_states
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::jsonb[])
    ON CONFLICT (id) DO UPDATE SET contact_id = excluded.contact_id,
        sequence_id = excluded.sequence_id, mailbox_id = excluded.mailbox_id,
        user_id = excluded.user_id, state = excluded.state, raw_data = excluded.raw_data";

pub(crate) async fn run(base_url: &str, database_url: &str) -> anyhow::Result<Took> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut connection = PgConnectOptions::from_str(database_url)?.connect().await?;
    sqlx::raw_sql(TABLES).execute(&mut connection).await?;
    let began = Instant::now();
    let (mut contacts, mut states) = (0, 0);
    for number in 1_u64.. {
        let answer = http
            .post(format!("{base_url}/api/v1/contacts/search"))
            .header("x-api-key", Simulator::API_KEY)
            .json(&json!({"page": number, "per_page": 100}))
            .send()
            .await?
            .error_for_status()?;
        let page: Value = answer.json().await?;
        let read = list(&page["contacts"]);
        let their_states: Vec<Value> = read.iter().flat_map(states_of).collect();
        let mut transaction = connection.begin().await?;
        write_contacts(&mut transaction, read).await?;
        write_states(&mut transaction, &their_states).await?;
        transaction.commit().await?;
        contacts += i64::try_from(read.len())?;
        states += i64::try_from(their_states.len())?;
        let pages = page["pagination"]["total_pages"].as_u64();
        if number >= pages.context("the answer has no number of pages")? {
            break;
        }
    }
    Ok(Took {
        seconds: began.elapsed().as_secs_f64(),
        contacts,
        states,
    })
}

async fn write_contacts(connection: &mut PgConnection, read: &[Value]) -> sqlx::Result<()> {
    let mut query = sqlx::query(CONTACTS);
    for name in [
        "id",
        "owner_id",
        "account_id",
        "first_name",
        "last_name",
        "title",
    ] {
        query = query.bind(texts(read, name));
    }
    query
        .bind(read.iter().map(address).collect::<Vec<_>>())
        .bind(read.iter().map(emails).collect::<Vec<_>>())
        .bind(column(read, |it| it["phone_numbers"].clone()))
        .bind(texts(read, "created_at"))
        .bind(texts(read, "updated_at"))
        .bind(read)
        .execute(connection)
        .await
        .map(drop)
}

async fn write_states(connection: &mut PgConnection, read: &[Value]) -> sqlx::Result<()> {
    let mut query = sqlx::query(STATES);
    for name in [
        "id",
        "contact_id",
        "emailer_campaign_id",
        "send_email_from_email_account_id",
        "send_email_from_user_id",
        "status",
    ] {
        query = query.bind(texts(read, name));
    }
    query.bind(read).execute(connection).await.map(drop)
}

/// Apollo repeats the ids of states across contacts.
fn states_of(contact: &Value) -> Vec<Value> {
    let named = |state: &Value| {
        let mut state = state.clone();
        let ids = [&contact["id"], &state["id"]].map(|id| id.as_str().unwrap_or_default());
        state["id"] = ids.join(".").into();
        state["contact_id"] = contact["id"].clone();
        state
    };
    let states = list(&contact["contact_campaign_statuses"]);
    states.iter().map(named).collect()
}

fn address(contact: &Value) -> Value {
    json!({
        "street_1": contact["street_address"], "city": contact["city"], "state": contact["state"],
        "postal_code": contact["postal_code"], "country": contact["country"],
    })
}

fn emails(contact: &Value) -> Value {
    json!([{"email_address": contact["email"], "email_address_type": "primary"}])
}

fn texts<'r>(read: &'r [Value], name: &str) -> Vec<Option<&'r str>> {
    column(read, |it| it[name].as_str())
}

fn column<'r, T>(read: &'r [Value], value: impl Fn(&'r Value) -> T) -> Vec<T> {
    read.iter().map(value).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
