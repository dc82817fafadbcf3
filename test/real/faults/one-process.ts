// A worker's app without a supervisor, for strace and the power cut: `node one-process.ts POSTERN.TOML`. Says "ready" on standard output;
// ends with its standard input.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startApp } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config.ts";
import { readRules } from "../../../src/ruleset/source.ts";
import { prepareStore } from "../../../src/state/sqlite.ts";
import { processLog } from "../../../src/sys/log.ts";
import { metrics } from "../../../src/sys/metrics.ts";
import { warmUp } from "../../../src/warm-up.ts";
import { ROOT } from "../lab/lab.ts";

const config = loadConfig(process.argv[2] ?? null);
await mkdir(join(config.server.state_dir, "spool"), { recursive: true, mode: 0o700 });
await mkdir(config.quarantine.dir, { recursive: true, mode: 0o700 });
prepareStore(join(config.server.state_dir, "state.db"));
const rules = await readRules(join(ROOT, "rules"));
if ("errors" in rules) throw new Error("the shipped rules do not load");
await warmUp(config);
await startApp(config, rules.ok, processLog("text"), metrics());
process.stdin.resume().on("end", () => process.exit(0));
process.stdout.write("ready\n");
