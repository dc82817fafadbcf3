// node count.js REPORT: prints "PASSED FAILED" of a vitest JSON report. What was skipped or is to be written counts as
// failed, each with a line on standard error; a file that did not load counts once.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
let passed = 0;
let failed = 0;
for (const file of report.testResults) {
  const tests = file.assertionResults;
  for (const test of tests) {
    if (test.status === "passed") passed++;
    else {
      failed++;
      if (test.status !== "failed") console.error(`${test.status}: ${file.name}: ${test.fullName}`);
    }
  }
  // A file fails without a failing test when it does not load or when its hooks fail.
  if (file.status !== "passed" && !tests.some((test) => test.status === "failed")) {
    failed++;
    console.error(`failed to run: ${file.name}: ${file.message ?? ""}`);
  }
}
console.log(`${passed} ${failed}`);
