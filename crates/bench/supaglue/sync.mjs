// The way in which Supaglue wrote contacts and sequence states: each object reads the provider's whole
// list, its rows go as CSV into a temporary table by COPY, and from there in batches into the table,
// which overwrites every row. Without Temporal, webhooks or bookkeeping. Arguments: the simulator's URL
// and the database's. Prints what it took as JSON.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { stringify } from "csv-stringify";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

const KEY = "sim-master-key";
const BATCH = 10_000;
const [baseUrl, databaseUrl] = process.argv.slice(2);

const HEAD = {
  _supaglue_application_id: "TEXT NOT NULL",
  _supaglue_provider_name: "TEXT NOT NULL",
  _supaglue_customer_id: "TEXT NOT NULL",
  _supaglue_emitted_at: "TIMESTAMP(3) NOT NULL",
  id: "TEXT NOT NULL",
  created_at: "TIMESTAMP(3)",
  updated_at: "TIMESTAMP(3)",
  is_deleted: "BOOLEAN NOT NULL",
  last_modified_at: "TIMESTAMP(3) NOT NULL",
  raw_data: "JSONB",
};
const KEY_COLUMNS = [
  "_supaglue_application_id",
  "_supaglue_provider_name",
  "_supaglue_customer_id",
  "id",
];

const CONTACTS = {
  table: "engagement_contacts",
  columns: {
    first_name: "TEXT",
    last_name: "TEXT",
    job_title: "TEXT",
    address: "JSONB",
    email_addresses: "JSONB",
    phone_numbers: "JSONB",
    owner_id: "TEXT",
    account_id: "TEXT",
    open_count: "INTEGER",
    click_count: "INTEGER",
    reply_count: "INTEGER",
    bounced_count: "INTEGER",
  },
  records: (contact) => [
    {
      raw: contact,
      id: contact.id,
      created_at: contact.created_at,
      updated_at: contact.updated_at,
      fields: {
        first_name: contact.first_name,
        last_name: contact.last_name,
        job_title: contact.title,
        address: {
          street_1: contact.street_address ?? null,
          street_2: null,
          city: contact.city ?? null,
          state: contact.state ?? null,
          postal_code: contact.postal_code ?? null,
          country: contact.country ?? null,
        },
        email_addresses: [
          { email_address: contact.email, email_address_type: "primary" },
          ...(contact.contact_emails ?? [])
            .filter((it) => it.email !== contact.email)
            .map((it) => ({ email_address: it.email, email_address_type: null })),
        ],
        phone_numbers: (contact.phone_numbers ?? []).map((it) => ({
          phone_number: it.sanitized_number ?? it.raw_number,
          phone_number_type: it.type,
        })),
        owner_id: contact.owner_id,
        account_id: contact.account_id,
        open_count: 0,
        click_count: 0,
        reply_count: 0,
        bounced_count: 0,
      },
    },
  ],
};

const STATES = {
  table: "engagement_sequence_states",
  columns: {
    state: "TEXT",
    contact_id: "TEXT",
    mailbox_id: "TEXT",
    user_id: "TEXT",
    sequence_id: "TEXT",
  },
  records: (contact) =>
    contact.contact_campaign_statuses.map((state) => ({
      raw: state,
      id: `${contact.id}.${state.id}`,
      created_at: state.added_at,
      updated_at: state.added_at,
      fields: {
        state: state.status,
        contact_id: contact.id,
        mailbox_id: state.send_email_from_email_account_id,
        user_id: state.send_email_from_user_id,
        sequence_id: state.emailer_campaign_id,
      },
    })),
};

async function* pages() {
  for (let page = 1; ; page++) {
    const answer = await fetch(`${baseUrl}/api/v1/contacts/search`, {
      method: "POST",
      headers: { "x-api-key": KEY, "content-type": "application/json" },
      body: JSON.stringify({ page, per_page: 100 }),
    });
    if (!answer.ok) throw new Error(`page ${page} was answered with ${answer.status}`);
    const body = await answer.json();
    yield body.contacts;
    if (page >= body.pagination.total_pages) return;
  }
}

async function sync(client, object) {
  const columns = { ...HEAD, ...object.columns, _supaglue_unified_data: "JSONB" };
  const names = Object.keys(columns);
  const definitions = names.map((name) => `"${name}" ${columns[name]}`).join(", ");
  const temporary = `temp_${object.table}`;
  await client.query(
    `CREATE TABLE IF NOT EXISTS ${object.table} (${definitions}, PRIMARY KEY (${KEY_COLUMNS}))`,
  );
  await client.query(`CREATE TEMP TABLE ${temporary} (${definitions})`);
  await client.query(`CREATE INDEX ON ${temporary} (id ASC, last_modified_at DESC)`);

  let count = 0;
  async function* rows() {
    for await (const page of pages()) {
      const emittedAt = new Date().toISOString();
      for (const record of page.flatMap(object.records)) {
        count++;
        const { id, created_at, updated_at, raw, fields } = record;
        const common = { id, created_at, updated_at, is_deleted: false };
        const lastModifiedAt = updated_at ?? emittedAt;
        const row = {
          _supaglue_application_id: "bench",
          _supaglue_provider_name: "apollo",
          _supaglue_customer_id: "default",
          _supaglue_emitted_at: emittedAt,
          ...common,
          last_modified_at: lastModifiedAt,
          raw_data: raw,
          ...fields,
          _supaglue_unified_data: { ...common, ...fields, last_modified_at: lastModifiedAt },
        };
        // Neither PostgreSQL's text nor its jsonb takes NUL.
        for (const [name, value] of Object.entries(row))
          if (typeof value === "string") row[name] = value.replaceAll("\u0000", "");
        yield row;
      }
    }
  }
  await pipeline(
    Readable.from(rows()),
    stringify({
      columns: names,
      cast: {
        boolean: (value) => value.toString(),
        object: (value) => JSON.stringify(value).replaceAll("\\u0000", ""),
      },
      quoted_string: true,
    }),
    client.query(
      copyFrom(`COPY ${temporary} (${names}) FROM STDIN WITH (DELIMITER ',', FORMAT CSV)`),
    ),
  );

  const updates = names
    .filter((name) => !KEY_COLUMNS.includes(name))
    .map((name) => `${name} = EXCLUDED.${name}`);
  for (let offset = 0; offset < count; offset += BATCH)
    await client.query(
      `INSERT INTO ${object.table} (${names})
       SELECT DISTINCT ON (id) ${names} FROM
         (SELECT * FROM ${temporary} ORDER BY id, last_modified_at DESC LIMIT ${BATCH} OFFSET ${offset})
         AS batch ORDER BY id, last_modified_at DESC
       ON CONFLICT (${KEY_COLUMNS}) DO UPDATE SET ${updates}`,
    );
  return count;
}

const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();
const began = performance.now();
const contacts = await sync(client, CONTACTS);
const states = await sync(client, STATES);
const seconds = (performance.now() - began) / 1000;
await client.end();
console.log(JSON.stringify({ seconds, contacts, states }));
