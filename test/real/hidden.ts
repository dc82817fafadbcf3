// `npm run hidden -- [RUNS] [SEED]`: the property of test/content/hidden.test.ts at length (100,000 runs by default), and what mailparser
// and Python's email show of damaged messages. Prints how often each came; exit code 1 when anything was missed.
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { progress } from "../../src/cli/progress.ts";
import { hiddenMail, type HiddenMail } from "../fakes/hidden-mail.ts";
import { posternSees, type Seen } from "../oracles/postern.ts";
import { pythonEmail } from "../oracles/python-email.ts";
import { knows, knowsShown } from "../oracles/verdict.ts";

const runs = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const count = new Map<string, number>();
const python = pythonEmail();
const bar = progress("hidden", 2 * runs);
let shown = 0;
let slowest = 0;

function judge(who: string, hidden: HiddenMail, seen: Seen, octets: Buffer): void {
  const { message, payload, tricks } = hidden;
  const known = octets === payload ? knows(seen, octets) : knowsShown(seen, octets, payload);
  if (known === null) return;
  count.set(`${who}: ${known}`, (count.get(`${who}: ${known}`) ?? 0) + 1);
  if (known !== "missed" || ++shown > 10) return;
  const kinds = seen.tree.parts.flatMap(({ defects }) => defects.map(({ kind }) => kind));
  console.log(JSON.stringify({ who, tricks, kinds, octets: octets.toString("latin1") }));
  console.log(JSON.stringify(message.toString("latin1")));
}

function read(message: Buffer): Seen {
  const before = process.threadCpuUsage();
  const seen = posternSees(message);
  const { user, system } = process.threadCpuUsage(before);
  slowest = Math.max(slowest, (user + system) / 1000);
  return seen;
}

async function oracles(hidden: HiddenMail, seen: Seen): Promise<void> {
  const { message } = hidden;
  const options = { skipTextToHtml: true, skipHtmlToText: true };
  const mail = await simpleParser(message, options).catch(() => null);
  // A message is shown by its parts, which Python gives.
  for (const { content, contentType } of mail?.attachments ?? [])
    if (!String(contentType).startsWith("message/")) judge("mailparser", hidden, seen, content);
  for (const { data } of (await python.parts(message)) ?? [])
    judge("Python", hidden, seen, Buffer.from(data, "base64"));
}

let done = 0;
for (const damaged of [false, true]) {
  for (let batch = 0; batch * 1_000 < runs; batch++) {
    const some = { numRuns: Math.min(1_000, runs - batch * 1_000), seed: seed + batch };
    for (const hidden of fc.sample(hiddenMail(damaged), some)) {
      const seen = read(hidden.message);
      if (!damaged) judge("built", hidden, seen, hidden.payload);
      await oracles(hidden, seen);
      bar.step(++done);
    }
  }
}
bar.end();
python.close();
console.log(`seed ${seed}, ${runs} built and ${runs} damaged messages`);
console.log(`slowest message: ${slowest.toFixed(0)} ms of CPU`);
console.log(`resident memory: ${(process.memoryUsage.rss() / 1024 / 1024).toFixed(0)} MiB`);
for (const [what, number] of [...count].sort())
  console.log(`${String(number).padStart(9)}  ${what}`);
if ([...count.keys()].some((what) => what.endsWith("missed"))) process.exitCode = 1;
