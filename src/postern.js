#!/usr/bin/env node
// The launcher: plain JavaScript, because an older Node cannot even parse main.ts. It runs main.ts with this Node when
// it is new enough, else with the Node that `npm ci` put beside us, else it says what to do.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const NEEDED = 24;
const main = new URL("./main.ts", import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= NEEDED) {
  await import(main.href);
} else {
  const beside = fileURLToPath(
    new URL(`../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url),
  );
  if (!existsSync(beside)) {
    process.stderr.write(
      `postern: needs Node ${NEEDED} or newer, and this is ${process.version}.\n` +
        `postern: run "npm ci" (on Linux x64 and arm64 it brings Node ${NEEDED} along), or install Node ${NEEDED}.\n`,
    );
    process.exit(1);
  }
  const child = spawn(beside, [fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}
