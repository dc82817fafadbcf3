// What rules ask of the path of a message.
import { expect, it } from "vitest";
import { ask, hop } from "./ask.ts";

const PRIVATE = hop("10.1.2.3");
const PUBLIC = hop("192.0.2.1", { helo: "out.example.org", rdns: "mail.example.org" });
const UNREADABLE = "Received: from nowhere at all";

it.each([
  ["check_all_trusted", [PRIVATE], true],
  ["check_all_trusted", [PRIVATE, PUBLIC], false],
  ["check_all_trusted", [PRIVATE, UNREADABLE], false],
  ["check_all_trusted", [], false],
  ["check_no_relays", [], true],
  ["check_no_relays", ["Received: (qmail 1 invoked by uid 2)"], true],
  ["check_no_relays", [PRIVATE], false],
  ["check_relays_unparseable", [UNREADABLE], true],
  ["check_relays_unparseable", [PUBLIC], false],
  ["check_for_illegal_ip", [PUBLIC], false],
  ["check_for_numeric_helo", [hop("192.0.2.1", { helo: "198.51.100.1" })], true],
  ["check_for_numeric_helo", [hop("192.0.2.1", { helo: "198.51.100.1.example" })], false],
  ["helo_ip_mismatch", [hop("192.0.2.1", { helo: "198.51.100.1" })], true],
  ["helo_ip_mismatch", [hop("192.0.2.1", { helo: "192.0.2.99" })], false],
  ["helo_ip_mismatch", [hop("192.0.2.1", { helo: "10.9.9.9" })], false],
  ["check_for_sender_no_reverse", [PUBLIC], true],
  ["check_for_sender_no_reverse", [hop("192.0.2.1")], false],
  ["check_for_no_rdns_dotcom_helo", [hop("192.0.2.1", { helo: "mx.yahoo.com" })], true],
  ["check_for_no_rdns_dotcom_helo", [hop("192.0.2.1", { helo: "notyahoo.com" })], false],
  [
    "check_for_no_rdns_dotcom_helo",
    [hop("192.0.2.1", { helo: "mx.yahoo.com", rdns: "a.example" })],
    false,
  ],
  [
    "check_for_no_rdns_dotcom_helo",
    [hop("192.0.2.1", { helo: "mx.yahoo.com" }), hop("192.0.2.2", { helo: "a.example" })],
    false,
  ],
  ["check_for_forged_received_ip_helo", [hop("192.0.2.1", { helo: "198.51.100.1" })], true],
  ["check_for_forged_received_ip_helo", [hop("192.0.2.1", { helo: "192.0.99.1" })], false],
])("%s of %j: %s", (call, fields, expected) => {
  expect(ask(call, { fields })).toBe(expected);
});

it("counts hops whose server is not who handed over next", () => {
  const named = (rdns: string, by: string): string => hop("192.0.2.1", { rdns, by });
  const forged = [
    named("a.one.example", "mx.example.org"),
    named("b.two.example", "mx.other.example"),
    named("c.three.example", "mx.third.example"),
  ];
  expect(ask("check_for_forged_received_trail", { fields: forged })).toBe(true);
  const honest = [
    named("a.one.example", "mx.example.org"),
    named("b.two.example", "mx.one.example"),
    named("c.three.example", "mx.two.example"),
  ];
  expect(ask("check_for_forged_received_trail", { fields: honest })).toBe(false);
});

it("finds From's domain in a hop's name and server", () => {
  const call = (wanted: string): string =>
    `check_for_from_domain_in_received_headers(example.org, ${wanted})`;
  const fields = ["From: joe@example.org", PUBLIC];
  expect(ask(call("true"), { fields })).toBe(true);
  expect(ask(call("false"), { fields })).toBe(false);
  const elsewhere = ["From: joe@example.org", hop("192.0.2.1")];
  expect([
    ask(call("true"), { fields: elsewhere }),
    ask(call("false"), { fields: elsewhere }),
  ]).toEqual([false, true]);
  const other = ["From: joe@elsewhere.example", PUBLIC];
  expect([ask(call("true"), { fields: other }), ask(call("false"), { fields: other })]).toEqual([
    false,
    false,
  ]);
});
