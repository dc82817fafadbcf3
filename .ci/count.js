// node count.js REPORT: prints "PASSED FAILED" of a vitest JSON report, and on standard error each test that did not pass,
// with the first line of why. What was skipped or is to be written counts as failed; a file that did not load counts once.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const firstLine = (text) => (text ?? "").split("\n", 1)[0].slice(0, 300);
let passed = 0;
let failed = 0;
for (const file of report.testResults) {
  const tests = file.assertionResults;
  for (const test of tests) {
    if (test.status === "passed") passed++;
    else {
      failed++;
      console.error(
        `${test.status}: ${file.name}: ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`,
      );
    }
  }
  // A file fails without a failing test when it does not load or when its hooks fail.
  if (file.status !== "passed" && !tests.some((test) => test.status === "failed")) {
    failed++;
    console.error(`failed to run: ${file.name}: ${firstLine(file.message)}`);
  }
}
console.log(`${passed} ${failed}`);
