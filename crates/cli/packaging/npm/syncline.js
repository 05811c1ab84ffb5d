#!/usr/bin/env node
// Finds the program in the package of this platform and becomes it, as far as Node.js can: signals go
// on to it, and its exit status comes back.
"use strict";

const { spawn } = require("node:child_process");

const name = `@syncline/${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/bin/syncline`);
} catch {
  console.error(
    `syncline: there is no ${name}: install it beside syncline, without --omit=optional, ` +
      "or build from source with cargo",
  );
  process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`syncline: ${program} could not be started: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
