// What people do in the console and on the connect page, in a real browser.
//
//   node check.mjs SYNCLINE HOME CHROMIUM SCREENSHOTS

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

import { HOSTILE, KEY, startReceiver, startWorld, stopAll, until } from "./world.mjs";

const [syncline, home, executablePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const receiver = await startReceiver();
const world = await startWorld(syncline, home);
// Chromium's sandbox needs rights that containers don't have; only our own pages are opened.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

/** A page of a browser of its own. What it refuses to load or run, or fails to, is a fault. */
async function newPage(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => {
    // A status of the page itself is what a test asks for.
    const ofPage = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !ofPage) page.faults.push(message.text());
  });
  return page;
}

let shots = 0;

/** Takes a screenshot, and asks axe what is wrong with the page. */
async function look(page, name) {
  shots += 1;
  const number = String(shots).padStart(2, "0");
  await page.screenshot({ path: `${screenshots}/${number}-${name}.png`, fullPage: true });
  // By the debugger, which the page's policy does not concern.
  const session = await page.context().newCDPSession(page);
  const expression = `${axe};axe.run().then((found) => JSON.stringify(found.violations))`;
  const { result } = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  const serious = JSON.parse(result.value)
    .filter((it) => ["serious", "critical"].includes(it.impact))
    .map((it) => `${it.id}: ${it.help} (${it.nodes[0].html})`);
  assert.deepEqual(serious, [], `axe, on ${name}`);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wider, false, `${name} scrolls sideways`);
  assert.deepEqual(page.faults, [], name);
}

const open = (page, path) => page.goto(world.base + path);
const shows = (page, text) => page.getByText(text).first().waitFor();

async function signIn(page, key = KEY) {
  await open(page, "/console/sign-in");
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function test(name, run) {
  const began = Date.now();
  await run();
  console.log(`  ${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s  ${name}`);
}

const CONNECTION = "/console/customers/acme/connections/apollo";

try {
  await test("a customer connects by key, wrong key first", async () => {
    await world.customer("acme", "Acme");
    const link = await world.magicLink("acme", "apollo", 3600);
    const page = await newPage({ viewport: { width: 390, height: 800 } });
    await page.goto(link);
    await look(page, "connect-390");
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Connect" }).click();
    await shows(page, "Apollo does not accept this key");
    assert.equal(await page.getByLabel("API key").inputValue(), "");
    await look(page, "connect-wrong-key-390");
    await page.getByLabel("API key").fill("sim-scoped-key");
    await page.getByRole("button", { name: "Connect" }).click();
    await shows(page, "can't read users, mailboxes and sequences");
    await look(page, "connect-limited-390");
    await page.getByLabel("API key").fill("sim-master-key");
    await page.keyboard.press("Enter");
    await shows(page, "Apollo is connected");
    await look(page, "connected-390");
    await page.goto(link);
    await shows(page, "This link was used");
    await look(page, "link-used-390");
    await page.goto(await world.magicLink("acme", "apollo", 1));
    await until("the link has expired", async () => {
      await page.reload();
      return page.getByText("This link has expired").isVisible();
    });
    await page.context().close();
  });

  await test("a customer who is connected by key adds another one", async () => {
    const page = await newPage({ viewport: { width: 390, height: 800 } });
    await page.goto(await world.magicLink("acme", "apollo", 3600));
    await page.getByLabel("is added beside it").check();
    await page.getByLabel("API key").fill("sim-scoped-key");
    await look(page, "connect-add-390");
    await page.getByRole("button", { name: "Connect" }).click();
    await shows(page, "Give the key a name");
    await look(page, "connect-add-without-name-390");
    await page.getByLabel("Name of a key").fill("Narrow");
    await page.getByLabel("API key").fill("sim-scoped-key");
    await page.getByRole("button", { name: "Connect" }).click();
    await shows(page, "The key is added");
    await look(page, "connect-added-390");
    await page.context().close();
  });

  await test("a customer connects by OAuth", async () => {
    await world.customer("brightwater", "Brightwater");
    const page = await newPage({ colorScheme: "dark" });
    await page.goto(await world.magicLink("brightwater", "outreach", 3600));
    await look(page, "connect-oauth-dark");
    await page.getByRole("link", { name: "Continue to Outreach" }).click();
    await page.locator("button[value=approve]").click();
    await page.waitForURL(/\/docs/);
    const connections = await world.call("GET", "/mgmt/v2/customers/brightwater/connections");
    assert.equal(connections[0].provider_name, "outreach");
    await page.context().close();
  });

  const page = await newPage();

  await test("signing in: a wrong key, the right one, and by keyboard alone", async () => {
    await signIn(page, "wrong");
    await shows(page, "This API key is unknown, revoked or expired");
    await look(page, "sign-in-wrong-key");
    await open(page, "/console/runs");
    await page.waitForFunction(() => document.activeElement.id === "api_key");
    await page.keyboard.type(KEY);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/console\/runs$/);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  });

  await test("a sync moves on the page, which is not loaded again", async () => {
    await world.synced("acme");
    await open(page, CONNECTION);
    await page.evaluate(() => { window.loadedOnce = true; });
    await page.getByRole("button", { name: "Sync now: contacts" }).click();
    await page.waitForURL(/note=triggered/);
    await page.evaluate(() => { window.loadedOnce = true; });
    await page.locator("#syncs progress").first().waitFor();
    await look(page, "connection-running");
    await world.synced("acme");
    await page.locator("#syncs progress").first().waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => window.loadedOnce), true);
  });

  await test("a page says that its connection is lost, and catches up", async () => {
    await open(page, CONNECTION);
    await page.context().setOffline(true);
    await page.evaluate(() => dispatchEvent(new Event("pagehide")));
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.getByText("The connection is lost").waitFor();
    await look(page, "connection-lost");
    await world.trigger("acme", "user");
    await world.synced("acme");
    await page.context().setOffline(false);
    await page.getByText("The connection is lost").waitFor({ state: "hidden" });
    page.faults.length = 0;
  });

  await test("a webhook that did not arrive is sent again", async () => {
    await world.call("POST", "/mgmt/v2/webhook_endpoints", { url: receiver.url });
    await world.trigger("acme", "user");
    await until("the receiver was asked", () => receiver.received > 0);
    await open(page, "/console/webhooks");
    await page.getByRole("link", { name: "sync.complete" }).first().click();
    await shows(page, "answered 500 by the test");
    await look(page, "message-failed");
    receiver.status = 200;
    await page.getByRole("button", { name: "Send it again" }).click();
    await shows(page, "The message is sent again");
    await page.locator("#attempts").getByText("answered 200", { exact: false }).first().waitFor();
    await look(page, "message-delivered");
  });

  await test("held deletions are applied", async () => {
    await fetch(`${world.apollo}/_sim/delete?contacts=1800`, { method: "POST" });
    await world.trigger("acme", "contact");
    await world.synced("acme");
    await open(page, CONNECTION);
    await page.locator("#runs tr", { hasText: "held" }).getByRole("link", { name: "contacts" }).click();
    await shows(page, /1.800 deletions are held/);
    await look(page, "run-holds");
    await page.getByRole("button", { name: /Apply 1.800 deletions/ }).click();
    await shows(page, "The held deletions are applied");
    await look(page, "run-applied");
  });

  await test("a forecast is shown before a config is saved", async () => {
    await open(page, "/console/providers");
    await page.getByRole("link", { name: "Change, forecast: apollo" }).click();
    await page.getByLabel("Minutes between two runs").fill("1");
    await page.getByRole("button", { name: "Show the forecast" }).click();
    await shows(page, "Not everything fits");
    await look(page, "forecast-does-not-fit");
    await page.getByLabel("Minutes between two runs").fill("180");
    await page.getByRole("button", { name: "Save" }).click();
    await shows(page, "The sync config is saved");
    await look(page, "sync-config");
  });

  let agent;
  await test("a person approves what an agent asked for, and changes what it may do", async () => {
    const grants = { groups: { contacts: "read" }, actions: { "contacts.create": "ask" } };
    agent = await world.call("POST", "/mgmt/v2/api_keys", { name: "Sales agent", role: "agent", grants });
    const ask = () =>
      world.call("POST", "/actions/v2/actions/contacts.create", { email: "ada@engine.example", first_name: "Ada" },
        { "x-api-key": agent.api_key, "x-customer-id": "acme", "x-provider-name": "apollo" });
    assert.equal((await ask()).status, "pending");
    await open(page, "/console/approvals");
    await look(page, "approvals-pending");
    await page.getByRole("link", { name: "create the contact" }).click();
    await look(page, "approval-pending");
    await page.getByRole("button", { name: "Approve" }).click();
    await shows(page, "What came of it");
    await look(page, "approval-done");
    assert.equal((await ask()).status, "done");
    await open(page, `/console/api-keys/${agent.id}`);
    await page.getByLabel("Level of deals").selectOption("full");
    await page.getByLabel("Credits in 24 hours").fill("100");
    await page.getByRole("button", { name: "Save" }).click();
    await shows(page, "The grants are saved");
    await look(page, "agent-saved");
    const saved = await world.call("GET", `/mgmt/v2/api_keys/${agent.id}`);
    assert.deepEqual(saved.grants.groups, { contacts: "read", deals: "full" });
    assert.equal(saved.grants.credits_per_day, 100);
  });

  await test("keys are added and deleted, and a wrong one is told", async () => {
    await open(page, CONNECTION);
    await page.getByText("Add a key").click();
    await page.getByLabel("Label, by which people know it").fill("Spare");
    await page.locator("#key").fill("wrong");
    await page.getByLabel("Whose it is").selectOption("yours");
    await page.getByRole("button", { name: "Add the key" }).click();
    await shows(page, "apollo rejects these credentials");
    assert.equal(await page.locator("#key").inputValue(), "");
    await look(page, "key-rejected");
    await page.locator("#key").fill(world.spareKey);
    await page.getByRole("button", { name: "Add the key" }).click();
    await shows(page, "The key is added");
    await look(page, "key-added");
    await page.getByRole("button", { name: "Delete: Spare" }).click();
    await shows(page, "The key is deleted");
    await page.getByRole("button", { name: "Delete: Spare" }).waitFor({ state: "detached" });
  });

  let job;
  await test("a list is enriched before one's eyes, cancelled, continued and downloaded", async () => {
    const ofAcme = { "x-customer-id": "acme", "x-provider-name": "apollo" };
    const { records } = await world.call(
      "GET", "/engagement/v2/contacts?read_from_cache=true&page_size=100", undefined, ofAcme);
    const known = records.map((it) => it.email_addresses[0]?.email_address).filter(Boolean).slice(0, 70);
    const unknown = Array.from({ length: 60 }, (_, n) => `nobody${n}@nowhere.example`);
    const keys = "/mgmt/v2/customers/acme/connections/apollo/keys";
    const main = (await world.call("GET", keys)).keys[0];
    await world.call("PUT", `${keys}/${main.id}`, { label: "Ours", max_credits_per_day: 5 });
    await open(page, `${CONNECTION}/enrichment`);
    await page.getByText("Enrich a list").click();
    await page.getByLabel("The list as CSV").fill("name\nInes");
    await page.getByRole("button", { name: "Begin" }).click();
    await page.getByRole("alert").waitFor();
    await look(page, "enrichment-refused");
    await page.getByLabel("The list as CSV").fill(["email", ...known, ...unknown].join("\n"));
    await page.getByRole("button", { name: "Begin" }).click();
    await page.waitForURL(/note=job-made/);
    await page.evaluate(() => { window.loadedOnce = true; });
    job = new URL(page.url()).pathname;
    await shows(page, "the keys have spent what they may in 24 hours");
    assert.equal(await page.evaluate(() => window.loadedOnce), true);
    await look(page, "job-waits");
    await page.getByRole("button", { name: "Cancel" }).click();
    await shows(page, "The job is cancelled");
    await world.call("PUT", `${keys}/${main.id}`, { label: "Ours" });
    await page.getByLabel("The most credits").fill("30");
    await page.getByRole("button", { name: "Continue" }).click();
    await shows(page, "The job goes on");
    await shows(page, "max_credits of 30 is reached");
    await look(page, "job-stopped");
    await page.getByLabel("The most credits").fill("");
    await page.getByRole("button", { name: "Continue" }).click();
    await shows(page, "The job goes on");
    await page.locator("#job").getByText("succeeded").waitFor();
    await look(page, "job-done");
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download all as CSV" }).click();
    const file = readFileSync(await (await download).path(), "utf8");
    assert.match(file, /^email,enriched_status,/);
    assert.ok(file.includes("nobody59@nowhere.example,not_matched"));
    await page.getByRole("link", { name: "Next" }).click();
    await shows(page, "First");
    await look(page, "job-second-page");
  });

  const contacts = `${CONNECTION}/records/contact`;
  const pages = [
    "/console", "/console/customers", "/console/customers/acme", CONNECTION, contacts, "/console/syncs",
    "/console/runs", "/console/webhooks", "/console/webhooks/messages", "/console/providers", "/console/destinations",
    "/console/approvals", `${CONNECTION}/usage`, `${CONNECTION}/enrichment`, job,
    "/console/customers/brightwater/connections/outreach", "/console/api-keys", "/console/audit-log",
    "/console/nothing",
  ];
  const name = (path) => path.replaceAll("/", "-").slice(1);

  await test("every page, in light and dark, wide and on a phone", async () => {
    await open(page, `${contacts}?deleted=yes`);
    await page.locator("tbody tr", { hasText: "deleted" }).first().getByRole("link").click();
    await shows(page, "Why it is as it is");
    pages.push(new URL(page.url()).pathname);
    for (const path of pages) {
      await open(page, path);
      await look(page, name(path));
    }
    const phone = await newPage({ viewport: { width: 390, height: 800 }, colorScheme: "dark" });
    await signIn(phone);
    for (const path of pages) {
      await open(phone, path);
      await look(phone, `${name(path)}-390-dark`);
    }
    await phone.context().close();
  });

  await test("a column sorts its table, by keyboard too", async () => {
    await open(page, contacts);
    const firstNames = () => page.locator("tbody tr td:nth-child(2)").allTextContents();
    const head = page.getByRole("button", { name: "first name" });
    await head.focus();
    await page.keyboard.press("Enter");
    const ascending = await firstNames();
    assert.deepEqual(ascending, [...ascending].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)));
    await head.click();
    assert.deepEqual(await firstNames(), ascending.reverse());
    await look(page, "sorted");
  });

  await test("names with markup change nothing", async () => {
    await world.customer("acme", HOSTILE);
    for (const path of pages) {
      await open(page, path);
      assert.notEqual(await page.title(), "taken over");
      assert.equal(await page.locator("img").count(), 0);
    }
    await open(page, "/console/customers");
    await shows(page, "<img src=x");
    await look(page, "hostile-name");
  });

  await test("everything works without JavaScript", async () => {
    const plain = await newPage({ javaScriptEnabled: false });
    await signIn(plain);
    await plain.getByRole("heading", { name: "Overview" }).waitFor();
    await plain.goto(world.base + CONNECTION);
    await plain.getByRole("button", { name: "Pause: users" }).click();
    await plain.getByText("The sync is paused").waitFor();
    await plain.getByRole("button", { name: "Resume: users" }).click();
    await plain.getByText("The sync is resumed").waitFor();
    await plain.context().close();
  });

  await test("signing out closes every page of the session", async () => {
    const other = await page.context().newPage();
    await other.goto(`${world.base}/console`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(/sign-in/);
    await other.waitForURL(/sign-in/);
    await look(page, "signed-out");
  });
} finally {
  await browser.close();
  receiver.close();
  await stopAll();
}
console.log(`the console works in a browser; ${shots} screenshots are in ${screenshots}`);
process.exit();
