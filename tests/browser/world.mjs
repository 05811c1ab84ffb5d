// The service under test with its simulated providers, a webhook receiver, and calls of the API.

import { spawn } from "node:child_process";
import { createServer } from "node:http";

export const KEY = "browser-test-key";
export const HOSTILE = `<img src=x onerror="document.title='taken over'"><script>document.title='taken over'</script>`;

const children = [];

/** Starts a command whose output names its address, and waits for that. */
function start(command, args, environment) {
  const child = spawn(command, args, { env: { ...process.env, ...environment } });
  children.push(child);
  return new Promise((resolve, reject) => {
    let output = "";
    const hear = (text) => {
      output += text;
      const address = output.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (address) resolve(address[0]);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", () => reject(new Error(`'${command} ${args.join(" ")}' ended:\n${output}`)));
  });
}

export async function stopAll() {
  const ends = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  for (const child of children) {
    child.removeAllListeners("exit");
    child.kill();
  }
  await Promise.race([Promise.all(ends), new Promise((resolve) => setTimeout(resolve, 1000))]);
}

/** Receives webhooks, and answers with the status that is set. */
export async function startReceiver() {
  const receiver = { status: 500, received: 0 };
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      receiver.received += 1;
      response.writeHead(receiver.status).end(`answered ${receiver.status} by the test`);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  receiver.url = `http://127.0.0.1:${server.address().port}/hooks`;
  receiver.close = () => server.close();
  return receiver;
}

export async function startWorld(syncline, home) {
  const loopback = ["--listen", "127.0.0.1:0"];
  const apollo = await start(syncline, ["sim", "apollo", "--contacts", "2400", "--teams", "2", "--latency-ms", "40", ...loopback], {});
  const outreach = await start(syncline, ["sim", "outreach", "--prospects", "50", ...loopback], {});
  const base = await start(syncline, ["serve", ...loopback, "--data-dir", `${home}/data`], {
    SYNCLINE_API_KEY: KEY,
    SYNCLINE_PROVIDERS__APOLLO__BASE_URL: apollo,
    SYNCLINE_PROVIDERS__OUTREACH__BASE_URL: outreach,
    SYNCLINE_PROVIDERS__OUTREACH__AUTHORIZE_URL: `${outreach}/oauth/authorize`,
    SYNCLINE_PROVIDERS__OUTREACH__TOKEN_URL: `${outreach}/oauth/token`,
    SYNCLINE_WEBHOOKS__ALLOW_PRIVATE_TARGETS: "true",
  });
  // The second team's.
  const world = { base, apollo, outreach, spareKey: "sim-master-key-2" };

  world.call = async (method, path, body, headers = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: { "x-api-key": KEY, "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  };

  world.customer = (id, name) =>
    world.call("PUT", "/mgmt/v2/customers", { customer_id: id, name, email: `${id}@customer.example` });

  world.magicLink = async (customer, provider, seconds) => {
    const link = await world.call("POST", "/mgmt/v2/magic_links", {
      customer_id: customer, provider_name: provider,
      return_url: `${base}/docs`, expiration_secs: seconds,
    });
    return link.url;
  };

  world.trigger = (customer, object) =>
    world.call("POST", "/mgmt/v2/syncs/_trigger", { object_type: "common", object },
      { "x-customer-id": customer, "x-provider-name": "apollo" });

  /** Waits until none of the customer's syncs is at work, and all have run. */
  world.synced = (customer) => until(`${customer} is synced`, async () => {
    const { results } = await world.call("GET", `/mgmt/v2/syncs?customer_id=${customer}`);
    const rests = (sync) => sync.last_run?.end_timestamp && !sync.next_run_reason;
    return results.length > 0 && results.every(rests);
  });

  await world.call("POST", "/mgmt/v2/providers", {
    category: "engagement", auth_type: "oauth2", name: "outreach",
    config: {
      provider_app_id: "sim", use_managed_oauth: false,
      oauth: {
        oauth_scopes: [],
        credentials: { oauth_client_id: "sim-outreach-client", oauth_client_secret: "sim-outreach-secret" },
      },
    },
  });
  await world.call("POST", "/mgmt/v2/sync_configs", {
    destination_name: "Syncline", provider_name: "outreach",
    config: {
      default_config: { period_ms: 3600000, strategy: "full then incremental" },
      common_objects: [{ object: "contact" }, { object: "user" }],
    },
  });
  return world;
}

/** Waits until the probe gives something. */
export async function until(what, probe) {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const found = await probe();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`within a minute it was not so: ${what}`);
}
