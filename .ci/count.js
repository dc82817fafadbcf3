// node count.js REPORT [SECOND]: prints "PASSED FAILED" of a vitest JSON report, and on standard error each test that did not pass,
// with the first line of why. What was skipped or is to be written counts as failed; a file that did not load counts once.
// SECOND is the report of another run of the files that failed: it stands for them, and what it mended is named too.
// node count.js --files REPORT OUTPUT: prints the names of the files that did not pass whole, also of those during which an error came
// that no test caught: only the output tells of them.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";

const read = (path) => JSON.parse(readFileSync(path, "utf8")).testResults;
const firstLine = (text) => (text ?? "").split("\n", 1)[0].slice(0, 300);
const tell = (what, file, test = "", why = "") =>
  console.error(`${what}: ${file.name}: ${test}: ${firstLine(why)}`);
/** A file also fails without a failing test, when it does not load or when its hooks fail. */
const whole = (file) =>
  file.status === "passed" && file.assertionResults.every(({ status }) => status === "passed");

if (process.argv[2] === "--files") {
  const files = read(process.argv[3]).filter((file) => !whole(file));
  const output = stripVTControlCharacters(readFileSync(process.argv[4], "utf8"));
  const strays = [...output.matchAll(/^This error originated in "([^"]+)" test file/gm)];
  const names = [...files.map(({ name }) => name), ...strays.map(([, name]) => resolve(name))];
  for (const name of new Set(names)) console.log(name);
  process.exit(0);
}

const second = new Map();
if (process.argv[3] !== undefined && existsSync(process.argv[3]))
  for (const file of read(process.argv[3])) second.set(file.name, file);
let passed = 0;
let failed = 0;
for (const first of read(process.argv[2])) {
  const file = (whole(first) ? null : second.get(first.name)) ?? first;
  const tests = file.assertionResults;
  if (file !== first)
    for (const test of first.assertionResults)
      if (test.status !== "passed")
        tell(`${test.status} at the first try`, first, test.fullName, test.failureMessages?.[0]);
  for (const test of tests) {
    if (test.status === "passed") passed++;
    else {
      failed++;
      tell(test.status, file, test.fullName, test.failureMessages?.[0]);
    }
  }
  if (file.status !== "passed" && !tests.some((test) => test.status === "failed")) {
    failed++;
    tell("failed to run", file, "", file.message);
  }
}
console.log(`${passed} ${failed}`);
