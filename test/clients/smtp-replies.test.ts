import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  MAX_REPLY_LINE,
  MAX_REPLY_LINES,
  ReplyReader,
  type PeerReply,
} from "../../src/clients/smtp-replies.ts";

function read(chunks: readonly Buffer[]): {
  replies: PeerReply[];
  fault: string | null;
  midway: boolean;
} {
  const replies: PeerReply[] = [];
  const reader = new ReplyReader((reply) => replies.push(reply));
  for (const chunk of chunks) {
    const fault = reader.push(chunk);
    if (fault !== null) return { replies, fault, midway: reader.midway };
  }
  return { replies, fault: null, midway: reader.midway };
}

describe("replies", () => {
  test.each([
    ["250 Ok\r\n", [{ code: 250, lines: ["Ok"] }]],
    ["250\r\n", [{ code: 250, lines: [""] }]],
    ["250-a\r\n250-\r\n250 b\r\n", [{ code: 250, lines: ["a", "", "b"] }]],
    ["250-a\r\n250\r\n", [{ code: 250, lines: ["a", ""] }]],
    [
      "354 Go\n550 No\n",
      [
        { code: 354, lines: ["Go"] },
        { code: 550, lines: ["No"] },
      ],
    ],
    ["250 \xe4\0\r\n", [{ code: 250, lines: ["\xe4\0"] }]],
  ])("%j", (text, replies) => {
    expect(read([Buffer.from(text, "latin1")])).toEqual({ replies, fault: null, midway: false });
  });

  test.each([
    ["\r\n", "not an SMTP reply"],
    ["\n", "not an SMTP reply"],
    ["250_x\r\n", "not an SMTP reply"],
    ["650 x\r\n", "not an SMTP reply"],
    ["25 x\r\n", "not an SMTP reply"],
    ["250-a\r\n251 b\r\n", "reply changes its code midway"],
    [`250 ${"x".repeat(MAX_REPLY_LINE)}\r\n`, "reply line too long"],
    ["x".repeat(MAX_REPLY_LINE + 1), "reply line too long"],
    ["250-x\r\n".repeat(MAX_REPLY_LINES + 1), "reply with too many lines"],
  ])("a fault: %j", (text, fault) => {
    expect(read([Buffer.from(text)]).fault).toBe(fault);
  });

  const code = fc.integer({ min: 200, max: 599 });
  const line = fc.string({
    unit: fc.integer({ min: 32, max: 126 }).map((c) => String.fromCharCode(c)),
    maxLength: 200,
  });
  const reply = fc.record({
    code,
    lines: fc.array(line, { minLength: 1, maxLength: MAX_REPLY_LINES }),
  });

  test("what is written is read, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(reply, { maxLength: 5 }),
        fc.integer({ min: 1, max: 300 }),
        (replies, step) => {
          const text = replies
            .map(({ code: one, lines }) =>
              lines.map((l, i) => `${one}${i < lines.length - 1 ? "-" : " "}${l}\r\n`).join(""),
            )
            .join("");
          const whole = Buffer.from(text);
          const chunks: Buffer[] = [];
          for (let at = 0; at < whole.length; at += step)
            chunks.push(whole.subarray(at, at + step));
          expect(read(chunks)).toEqual({ replies, fault: null, midway: false });
        },
      ),
    );
  });

  test("any octets: a value, never an exception, never more than a line kept", () => {
    const digits = fc
      .constantFrom("250", "250-", "550 ", "\r\n", "\n", "\r", "421 ", "354\r\n", "\0", "x")
      .map((s) => Buffer.from(s));
    const octets = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.oneof(digits, octets), { maxLength: 60 }), (chunks) => {
        const { replies } = read(chunks);
        for (const one of replies) {
          expect(one.code).toBeGreaterThanOrEqual(200);
          expect(one.code).toBeLessThan(600);
          expect(one.lines.join("")).not.toContain("\n");
        }
      }),
    );
  });
});
