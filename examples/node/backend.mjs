// A backend that keeps a copy of what Syncline has synced.
//
// It is told by signed webhooks that a sync is done, reads what changed since it last looked, and keeps
// it in a JSON file. Put your own database where the file is. Needs Node.js 18 or newer and nothing else.
//
//     API_KEY=… WEBHOOK_SECRET=whsec_… node backend.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const BASE = process.env.SYNCLINE ?? "http://127.0.0.1:8080";
const KEY = required("API_KEY");
const SECRET = Buffer.from(required("WEBHOOK_SECRET").replace(/^whsec_/, ""), "base64");
const PORT = Number(process.env.PORT ?? 4000);
const FILE = process.env.COPY ?? "copy.json";

const PATHS = {
  user: "users",
  mailbox: "mailboxes",
  sequence: "sequences",
  account: "accounts",
  contact: "contacts",
  sequence_state: "sequence_states",
};
const MOST_BYTES = 1_000_000;
const TOLERANCE_SECONDS = 5 * 60;

function required(name) {
  if (!process.env[name]) {
    console.error(`${name} is not set`);
    process.exit(1);
  }
  return process.env[name];
}

// Whether the request is signed with our secret, and was signed just now.
function isGenuine(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": sentAt, "webhook-signature": signatures } = headers;
  const age = Math.abs(Date.now() / 1000 - Number(sentAt));
  if (!id || !signatures || !(age <= TOLERANCE_SECONDS)) return false;
  const hmac = createHmac("sha256", SECRET).update(`${id}.${sentAt}.`).update(body);
  const ours = Buffer.from(`v1,${hmac.digest("base64")}`);
  // There are two while the secret is being changed.
  return signatures.split(" ").some((signature) => {
    const theirs = Buffer.from(signature);
    return theirs.length === ours.length && timingSafeEqual(theirs, ours);
  });
}

async function get(path, query, connection) {
  const headers = { "x-api-key": KEY };
  if (connection) {
    // UTF-8, for which fetch wants Latin-1.
    headers["x-customer-id"] = Buffer.from(connection.customer_id).toString("latin1");
    headers["x-provider-name"] = connection.provider_name;
  }
  const url = `${BASE}${path}?${new URLSearchParams(query)}`;
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(60_000) });
  if (!answer.ok) throw new Error(`${answer.status} of ${path}: ${await answer.text()}`);
  return answer.json();
}

// `since` has the greatest stamp that was read, and `records` the records, by connection and object.
const copy = existsSync(FILE)
  ? JSON.parse(readFileSync(FILE, "utf8"))
  : { since: {}, records: {} };

function save() {
  writeFileSync(`${FILE}.new`, JSON.stringify(copy));
  renameSync(`${FILE}.new`, FILE);
}

// Every page of what changed since the last time, deleted records included.
async function readChanges(connection, object) {
  const key = `${connection.connection_id}/${object}`;
  const records = (copy.records[key] ??= {});
  let since = copy.since[key] ?? "1970-01-01T00:00:00.000Z";
  const query = { read_from_cache: "true", page_size: "1000", modified_after: since };
  let changed = 0;
  for (;;) {
    const page = await get(`/engagement/v2/${PATHS[object]}`, query, connection);
    for (const record of page.records) {
      changed += 1;
      if (record.last_modified_at > since) since = record.last_modified_at;
      if (record.is_deleted) delete records[record.id];
      else records[record.id] = record;
    }
    if (!page.pagination.next) break;
    query.cursor = page.pagination.next;
  }
  // Only now: if this fails half-way, the same changes are read again, which does no harm.
  copy.since[key] = since;
  save();
  console.log(`${connection.customer_id}: ${changed} changes of ${PATHS[object]}`);
}

function forget(connectionId) {
  for (const part of Object.values(copy)) {
    for (const key of Object.keys(part)) {
      if (key.startsWith(`${connectionId}/`)) delete part[key];
    }
  }
  save();
}

// Reads whatever changed while this was not running.
async function catchUp() {
  const query = { page_size: "1000" };
  for (;;) {
    const page = await get("/mgmt/v2/syncs", query);
    for (const sync of page.results) await readChanges(sync, sync.object);
    if (!page.next) return;
    query.cursor = page.next;
  }
}

async function handle(event) {
  const kind = event.webhook_event_type;
  if (kind === "sync.complete" && event.result === "SUCCESS") {
    await readChanges(event, event.object);
  } else if (kind === "connection.deleted") {
    forget(event.connection_id);
  }
}

// One event after the other, so that no two write the copy at once.
let last = attempt("catching up", catchUp);

function enqueue(event) {
  last = last.then(() => attempt(event.webhook_event_type, () => handle(event)));
}

async function attempt(what, step) {
  try {
    await step();
  } catch (error) {
    // Nothing is lost: the next event of the same object reads from the same stamp.
    console.error(`${what}: ${error.message}`);
  }
}

const server = createServer((request, response) => {
  const answer = (status) => response.writeHead(status, { "content-length": 0 }).end();
  const chunks = [];
  let size = 0;
  request.on("data", (chunk) => {
    size += chunk.length;
    if (size <= MOST_BYTES) chunks.push(chunk);
  });
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    if (request.method !== "POST") return answer(405);
    if (size > MOST_BYTES) return answer(413);
    if (!isGenuine(request.headers, body)) return answer(401);
    // An answer at once; the work is done afterwards. The same event may come twice: reading the
    // changes twice does no harm, so its id needn't be kept here.
    enqueue(JSON.parse(body));
    answer(204);
  });
});

server.listen(PORT, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
