import { expect, it } from "vitest";
import { jsonLog, textLog } from "../../src/sys/log.ts";

const sink = () => {
  const written: string[] = [];
  return { written, write: (text: string) => written.push(text), flushSync() {} };
};

it("a text from a message cannot start a line, move the cursor or turn the direction", () => {
  const out = sink();
  const err = sink();
  const log = textLog(out, err);
  log.message(["a\r\nb\x1b[2J\u0085\u2028\u202ec"], () => ({}));
  log.error("x\ny");
  expect(out.written).toEqual(["a??b?[2J???c\n"]);
  expect(err.written).toEqual(["(!!)x?y\n"]);
});

it("JSON holds the facts of a message and no text lines", () => {
  const out = sink();
  jsonLog(out).message(["not this"], () => ({ log_id: "1-1", mail_from: "a\nb" }));
  expect(JSON.parse(out.written[0] ?? "")).toMatchObject({ log_id: "1-1", mail_from: "a\nb" });
});
