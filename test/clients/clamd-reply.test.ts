// Replies of clamd, to the letter: only two texts are verdicts.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import { parseScanReply, parseVersion } from "../../src/clients/clamd-reply.ts";

const parsed = (text: string) => parseScanReply(Buffer.from(text, "latin1"));

test.each([
  ["stream: OK\0", { kind: "clean" }],
  ["stream: OK\n", { kind: "clean" }],
  ["stream: Eicar-Test-Signature FOUND\0", { kind: "infected", name: "Eicar-Test-Signature" }],
  ["stream: Win.Test.EICAR_HDB-1 FOUND\0", { kind: "infected", name: "Win.Test.EICAR_HDB-1" }],
  // A name may hold anything: it is a virus all the same.
  ["stream: a: OK FOUND\0", { kind: "infected", name: "a: OK" }],
  ["stream: \x1b[2J\xe9 FOUND\0", { kind: "infected", name: "?[2J?" }],
  ["stream: FOUND FOUND\0", { kind: "infected", name: "FOUND" }],
])("%j is a verdict", (text, reply) => {
  expect(parsed(text)).toEqual(reply);
});

test.each([
  ["", "closed without a reply"],
  ["\0", "closed without a reply"],
  ["stream: O", 'said "stream: O"'],
  ["stream: OK\0\0", 'said "stream: OK?"'],
  ["stream: OK\0stream: X FOUND\0", 'said "stream: OK?stream: X FOUND"'],
  ["stream: X FOUND\nstream: OK\0", 'said "stream: X FOUND?stream: OK"'],
  ["stream:  FOUND\0", 'said "stream:  FOUND"'],
  [" stream: OK\0", 'said " stream: OK"'],
  ["stream: OK ERROR\0", 'said "stream: OK ERROR"'],
  ["INSTREAM size limit exceeded. ERROR\0", 'said "INSTREAM size limit exceeded. ERROR"'],
  ["UNKNOWN COMMAND\0", 'said "UNKNOWN COMMAND"'],
  ["1: stream: OK\0", 'said "1: stream: OK"'],
])("%j is none", (text, why) => {
  expect(parsed(text)).toEqual({ kind: "error", why });
});

test("whatever comes is one of three, short and printable", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ maxLength: 5000 }).map((name) => `stream: ${name} FOUND\0`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const reply = parsed(text);
      if (reply.kind === "clean") expect(text).toMatch(/^stream: OK[\0\n]?$/);
      if (reply.kind === "infected") expect(reply.name).toMatch(/^[\x20-\x7e]{1,200}$/);
      if (reply.kind === "error") expect(reply.why).toMatch(/^[\x20-\x7e]{1,140}$/);
    }),
  );
});

test("versions with and without a daily database", () => {
  const version = (text: string) => parseVersion(Buffer.from(text));
  expect(version("ClamAV 1.4.3/27500/Thu Jan  2 10:34:00 2025\0")).toEqual({
    program: "1.4.3",
    database: { number: 27500, at: new Date(2025, 0, 2, 10, 34, 0) },
  });
  expect(version("ClamAV 1.4.6\0")).toEqual({ program: "1.4.6", database: null });
  for (const text of [
    "",
    "PONG\0",
    "ClamAV \0",
    "ClamAV 1.4/x/y\0",
    "ClamAV 1/1/Thu Jan  2 2025\0",
  ])
    expect(version(text)).toBeNull();
});

test.each([
  ["unix:/run/clamav/clamd.ctl", { path: "/run/clamav/clamd.ctl" }],
  ["tcp:127.0.0.1:3310", { host: "127.0.0.1", port: 3310 }],
  ["tcp:[::1]:3310", { host: "::1", port: 3310 }],
  ["tcp:av-1.example:1", { host: "av-1.example", port: 1 }],
])("%s is an endpoint", (text, at) => {
  expect(parseEndpoint(text)).toEqual({ name: text, at });
});

test.each(["", "unix:clamd", "unix:", "127.0.0.1:3310", "tcp:host", "tcp:host:0", "tcp:h:65536"])(
  "%j is none",
  (text) => {
    expect(parseEndpoint(text)).toBeNull();
  },
);
