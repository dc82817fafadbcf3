// Whose share a message counts to, and what it announces.
import { expect, it } from "vitest";
import { announcedSize, clientOf } from "../src/admission.ts";
import type { Transaction } from "../src/mail/message.ts";

const transaction = (more: Partial<Transaction>): Transaction => ({
  listener: "smtp:test",
  peer: "127.0.0.1",
  peerPort: 1,
  greeting: "x",
  protocol: "ESMTP",
  xforward: new Map(),
  sender: null,
  senderParams: [],
  recipients: [],
  startedAt: new Date(0),
  ...more,
});

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["IPV6:2001:DB8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["2001:db8:1:2::", "2001:db8:1:2"],
  ["2001:db8:0:0:1::", "2001:db8:0:0"],
  ["::ffff:192.0.2.9", "192.0.2.9"],
  ["not an address", "127.0.0.1"],
])("a client that XFORWARD calls %s has the share of %s", (addr, share) => {
  expect(clientOf(transaction({ xforward: new Map([["ADDR", addr]]) }))).toBe(share);
});

it("a client that nobody names has the share of its peer, all of a unix socket one", () => {
  expect(clientOf(transaction({ peer: "2001:db8:1:2::9" }))).toBe("2001:db8:1:2");
  expect(clientOf(transaction({ peer: "" }))).toBe("");
});

it.each([
  [["SIZE=1000"], 1000],
  [["BODY=8BITMIME", "size=7"], 7],
  [["SIZE=99999999999999999999"], 0],
  [["SIZE=-1"], 0],
  [[], 0],
])("%j announces %d octets", (senderParams, octets) => {
  expect(announcedSize(transaction({ senderParams }))).toBe(octets);
});
