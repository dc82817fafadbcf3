// A thousand connections at once, through two workers to Postfix's own sink.
import { expect, test } from "vitest";
import { crowd } from "../bench/crowd.ts";

test("a thousand connections are greeted before the first message, and all their mail is taken", async () => {
  const found = await crowd({ connections: 1000, seconds: 5 });
  console.log(
    `${found.messages} messages over ${found.greeted} connections, p99 ${found.p99.toFixed(0)} ms`,
  );
  expect(found.greeted).toBe(1000);
  expect(found.firstFailure).toBe("");
  expect(found.failures).toBe(0);
  expect(found.messages).toBeGreaterThanOrEqual(1000);
});
