import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { BodyHash, type BodyCanonicalization } from "../../src/mail/dkim-body.ts";
import { cpuClock } from "../fakes/cpu-clock.ts";

const sha256 = (text: string | Buffer): string =>
  createHash("sha256").update(text).digest("base64");

function hashed(
  form: BodyCanonicalization,
  pieces: readonly Buffer[],
  limit: number | null = null,
) {
  const hash = new BodyHash(form, "sha256", limit);
  for (const piece of pieces) hash.update(piece);
  return { value: hash.digest(), hash };
}

/** RFC 6376 3.4.3 and 3.4.4, written down as they stand there. */
function canonical(form: BodyCanonicalization, body: string): string {
  let text = body;
  if (form === "relaxed") text = text.replace(/[ \t]+(?=\r\n|$)/g, "").replace(/[ \t]+/g, " ");
  text = text.replace(/(?:\r\n)*$/, "");
  return text === "" && form === "relaxed" ? "" : `${text}\r\n`;
}

describe("canonical forms", () => {
  test.each<[BodyCanonicalization, string, string]>([
    // RFC 6376 3.4.5
    ["relaxed", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"],
    ["simple", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n"],
    ["simple", "", "\r\n"],
    ["relaxed", "", ""],
    ["relaxed", "\r\n\r\n", ""],
    ["simple", "\r\n\r\n", "\r\n"],
    ["relaxed", "no line end", "no line end\r\n"],
    ["relaxed", "a \r b\r\r\n", "a \r b\r\r\n"],
    ["relaxed", "a\r", "a\r\r\n"],
    ["relaxed", "x\r\n \t\r\n\r\ny", "x\r\n\r\n\r\ny\r\n"],
  ])("%s of %j", (form, body, expected) => {
    expect(hashed(form, [Buffer.from(body)]).value).toBe(sha256(expected));
  });

  it("does not depend on how the body is cut, with and without l=", () => {
    const octets = fc.array(fc.constantFrom("a", "bc", " ", "\t", "\r\n", "\r", "  ", "\r\n\r\n"));
    fc.assert(
      fc.property(octets, fc.array(fc.nat(40)), fc.option(fc.nat(12)), (parts, cuts, limit) => {
        const body = Buffer.from(parts.join(""));
        const at = [0, ...cuts.map((cut) => Math.min(cut, body.length)), body.length].sort(
          (a, b) => a - b,
        );
        const pieces = at.slice(1).map((end, i) => body.subarray(at[i], end));
        for (const form of ["simple", "relaxed"] as const) {
          const { value, hash } = hashed(form, pieces, limit);
          const text = Buffer.from(canonical(form, body.toString()));
          expect(value).toBe(sha256(text.subarray(0, limit ?? text.length)));
          expect(hash.canonicalizedLength).toBe(text.length);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

test("a megabyte of anything takes linear time", () => {
  for (const line of ["\r\n", " ", "\r", "\t \r\n", "a ", "x".repeat(5000)]) {
    const piece = Buffer.from(line.repeat(Math.ceil(65_536 / line.length))).subarray(0, 65_536);
    const cpu = cpuClock();
    hashed("relaxed", new Array<Buffer>(16).fill(piece));
    expect(cpu()).toBeLessThan(1_000);
  }
});
