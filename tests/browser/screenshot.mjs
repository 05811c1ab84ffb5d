// Takes the screenshot of the README from `syncline demo`.
//
//   node screenshot.mjs SYNCLINE CHROMIUM FILE

import { spawn } from "node:child_process";
import { chromium } from "playwright-core";

const [syncline, executablePath, file] = process.argv.slice(2);
const demo = spawn(syncline, ["demo", "--listen", "127.0.0.1:0"]);
let output = "";
demo.stdout.on("data", (text) => { output += text; });
const ended = new Promise((_, reject) => demo.on("exit", () => reject(new Error(output))));
const serves = new Promise((resolve) => {
  demo.stdout.on("data", () => {
    const link = output.match(/http\S+\/console\/sign-in\/\S+/);
    if (link) resolve(link[0]);
  });
});
const link = await Promise.race([serves, ended]);
ended.catch(() => {});
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1200, height: 760 } });
await page.goto(link);
await page.goto(new URL("/console/customers/fernhill/connections/apollo", link).href);
await page.screenshot({ path: file });
await browser.close();
demo.kill("SIGINT");
process.exit();
