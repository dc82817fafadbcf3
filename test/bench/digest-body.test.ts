import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { digestBody, MARK } from "./digest-body.ts";

const sha256 = (text: string) => createHash("sha256").update(text, "latin1").digest("hex");

/** Feeds `wire` in pieces of the given sizes, over and over; the result, or null when the end was not found. */
function fed(wire: string, sizes: readonly number[]) {
  const octets = Buffer.from(wire, "latin1");
  const reader = digestBody();
  for (let at = 0, i = 0; at < octets.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    const done = reader.take(octets.subarray(at, at + size));
    at += size;
    if (done !== null)
      return { ...done.digest, rest: done.rest.toString("latin1") + octets.toString("latin1", at) };
  }
  return null;
}

const stuffed = (message: string) => message.replace(/(^|\r\n)\./g, "$1..");

test("digests from the mark on, without dot-stuffing, and hands back what follows", () => {
  const message = `${MARK}17\r\nSubject: x\r\n\r\n.\r\n..\r\nend\r\n`;
  const wire = `Received: by hop\r\n${stuffed(message)}.\r\nQUIT\r\n`;
  expect(fed(wire, [5])).toEqual({
    id: 17,
    sha256: sha256(message),
    octets: message.length,
    rest: "QUIT\r\n",
  });
});

test("however the octets are cut into pieces, the digest is the same", () => {
  const line = fc.stringMatching(/^[.\ra-c]{0,4}$/).filter((text) => !text.endsWith("\r"));
  fc.assert(
    fc.property(
      fc.array(line),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (lines, sizes) => {
        const message = [`${MARK}3`, "", ...lines, ""].join("\r\n");
        const found = fed(`${stuffed(message)}.\r\nRSET\r\n`, sizes);
        expect(found).toEqual({
          id: 3,
          sha256: sha256(message),
          octets: message.length,
          rest: "RSET\r\n",
        });
      },
    ),
  );
});

test("an empty body ends at once, and a body without its end does not", () => {
  expect(fed(".\r\nRSET\r\n", [1])).toMatchObject({ id: -1, octets: 0, rest: "RSET\r\n" });
  expect(fed(`${MARK}1\r\n\r\ntext\r\n.`, [3])).toBeNull();
});
