// What Node's svix says of the cases that collect.py has written, by the headers of either name.
//
//     verify.mjs FILE

import { readFileSync } from "node:fs";
import { Webhook, WebhookVerificationError } from "svix";

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const { name, secret, headers, body, genuine } of cases) {
  for (const prefix of ["svix-", "webhook-"]) {
    const named = Object.entries(headers).filter(([header]) => header.startsWith(prefix));
    let found = true;
    try {
      new Webhook(secret).verify(body, Object.fromEntries(named));
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      found = false;
    }
    if (found !== genuine) {
      console.error(`svix (npm), ${prefix}*: ${name}: genuine is ${found}`);
      process.exit(1);
    }
  }
}
console.log(`svix (npm): ${cases.length} cases as they must be, under both names`);
