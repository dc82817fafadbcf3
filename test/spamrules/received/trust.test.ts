// How far the hops of a message are believed.
import { describe, expect, it } from "vitest";
import { networks } from "../../../src/spamrules/received/networks.ts";
import {
  relaysOf,
  senderByRelays,
  type TrustSettings,
} from "../../../src/spamrules/received/trust.ts";
import type { Relays } from "../../../src/spamrules/received/relays.ts";

const hop = (ip: string, more = "with ESMTP id 1"): string =>
  `from h${ip} (r${ip} [${ip}]) by mx.example (Postfix) ${more}; Tue, 23 May 2006 13:06:35 -0400`;

const walk = (
  lines: readonly string[],
  settings: Partial<TrustSettings> = {},
  fields: Readonly<Record<string, string>> = {},
): Relays =>
  relaysOf(lines, {
    settings: {
      trustedNetworks: [],
      internalNetworks: [],
      msaNetworks: [],
      originatingIpHeaders: [],
      ...settings,
    },
    lastField: (name) => fields[name],
  });

type Part = "trusted" | "untrusted" | "internal" | "external";

const ips = (relays: Relays): Record<Part, string> => {
  const of = (part: Part): string => relays[part].map((relay) => relay.ip).join(" ");
  return {
    trusted: of("trusted"),
    untrusted: of("untrusted"),
    internal: of("internal"),
    external: of("external"),
  };
};

describe("without networks configured", () => {
  it("believes private addresses and clients that proved themselves, up to the first other", () => {
    const relays = walk([
      hop("10.1.2.3"),
      hop("192.0.2.1", "with ESMTPSA id 1"),
      hop("192.0.2.2"),
      hop("10.1.2.4"),
    ]);
    expect(ips(relays)).toEqual({
      trusted: "10.1.2.3 192.0.2.1",
      untrusted: "192.0.2.2 10.1.2.4",
      internal: "10.1.2.3 192.0.2.1",
      external: "192.0.2.2 10.1.2.4",
    });
    expect([relays.lastTrustedField, relays.lastInternalField]).toEqual([1, 1]);
  });

  it("writes relays as rules read them", () => {
    expect(
      walk([hop("192.0.2.2", "(envelope-from <a@b.example>) with ESMTPA id 1ab")]).text("trusted"),
    ).toBe(
      "[ ip=192.0.2.2 rdns=r192.0.2.2 helo=h192.0.2.2 by=mx.example ident= envfrom=a@b.example intl=1 id=1ab auth=ESMTPA msa=0 ]",
    );
    expect(walk([]).text("external")).toBe("");
  });

  it("counts lines that say nothing among the fields, and those that it cannot read", () => {
    const relays = walk([
      "(qmail 1 invoked by uid 2)",
      hop("10.1.2.3"),
      "from nowhere",
      hop("192.0.2.2"),
    ]);
    expect(relays.unparseable).toBe(1);
    expect(relays.lastTrustedField).toBe(2);
    expect(relays.untrusted[0]?.field).toBe(3);
  });

  it("forgets what is above a fetcher's line, unless that stands beyond trust", () => {
    const fetched = "from pop.example [192.0.2.9] by localhost with IMAP (fetchmail-6.4) for joe";
    expect(ips(walk([hop("10.1.2.3"), fetched, hop("192.0.2.2")]))).toMatchObject({
      trusted: "",
      untrusted: "192.0.2.2",
    });
    expect(ips(walk([hop("192.0.2.1"), fetched, hop("192.0.2.2")]))).toMatchObject({
      untrusted: "192.0.2.1 192.0.2.2",
    });
  });

  it("gives the sender that qmail-scanner tells to the hop of the next line", () => {
    const scanned =
      "from 192.0.2.7 by mx.example (envelope-from <a@b.example>) with qmail-scanner-1.24";
    const relays = walk([scanned, hop("192.0.2.1"), hop("192.0.2.2")]);
    expect(relays.untrusted.map((relay) => relay.envfrom)).toEqual(["a@b.example", null]);
  });

  it("takes notes of the client's address for lines below the last", () => {
    const relays = walk(
      [hop("192.0.2.1")],
      { originatingIpHeaders: ["X-A", "X-B"] },
      { "X-B": " [198.51.100.4]\n" },
    );
    expect(ips(relays).untrusted).toBe("192.0.2.1 198.51.100.4");
    expect(relays.untrusted[1]?.field).toBe(1);
  });
});

describe("with networks configured", () => {
  it("uses either list for the other, and both where they differ", () => {
    const lines = [hop("192.0.2.1"), hop("198.51.100.1"), hop("203.0.113.1")];
    const both = {
      trusted: "192.0.2.1",
      untrusted: "198.51.100.1 203.0.113.1",
      internal: "192.0.2.1",
    };
    expect(ips(walk(lines, { trustedNetworks: ["192.0.2.0/24"] }))).toMatchObject(both);
    expect(ips(walk(lines, { internalNetworks: ["192.0.2.0/24"] }))).toMatchObject(both);
    const differ = {
      trustedNetworks: ["192.0.2.0/24", "198.51.100.0/24"],
      internalNetworks: ["192.0.2.0/24"],
    };
    expect(ips(walk(lines, differ))).toEqual({
      trusted: "192.0.2.1 198.51.100.1",
      untrusted: "203.0.113.1",
      internal: "192.0.2.1",
      external: "198.51.100.1 203.0.113.1",
    });
  });

  it("believes all that came by way of an MSA", () => {
    const settings = { trustedNetworks: ["192.0.2.0/24"], msaNetworks: ["192.0.2.9"] };
    const relays = walk(
      [hop("192.0.2.1"), hop("192.0.2.9"), hop("203.0.113.1"), hop("203.0.113.2")],
      settings,
    );
    expect(ips(relays)).toMatchObject({ untrusted: "", external: "" });
    expect(relays.trusted.map((relay) => relay.msa)).toEqual([false, true, false, false]);
    expect(relays.text("trusted")).toContain("msa=1 ] [ ip=203.0.113.1");
  });

  it("does not take a private address for granted", () => {
    expect(ips(walk([hop("10.1.2.3")], { trustedNetworks: ["192.0.2.0/24"] })).trusted).toBe("");
    expect(ips(walk([hop("127.0.0.9")], { trustedNetworks: ["192.0.2.0/24"] })).trusted).toBe(
      "127.0.0.9",
    );
  });
});

describe("networks", () => {
  it.each([
    [["192.0.2.0/24"], "192.0.2.255", true],
    [["192.0.2.0/24"], "192.0.3.0", false],
    [["!192.0.2.5", "192.0.2.0/24"], "192.0.2.5", false],
    [["192.0.2.0/24", "!192.0.2.5"], "192.0.2.5", true],
    [["2001:db8::/32"], "2001:db8:ffff::1", true],
    [["2001:db8::/32"], "2001:db9::1", false],
    [["::ffff:192.0.2.0/120"], "192.0.2.9", true],
    [["0.0.0.0/0"], "203.0.113.4", true],
    [["0.0.0.0/0"], "2001:db8::1", false],
    [["nonsense", "192.0.2.0/33"], "192.0.2.1", false],
    [["192.0.2.0/24"], "192.0.2", false],
    [["192.0.2.0/24"], "", false],
  ])("%j and %s: %s", (entries, ip, expected) => {
    expect(networks(entries, false).contains(ip)).toBe(expected);
  });
});

it("names the envelope's sender by the first untrusted relay, else by the oldest trusted", () => {
  const from = (ip: string, sender: string): string =>
    hop(ip, `(envelope-from <${sender}>) with ESMTP id 1`);
  expect(
    senderByRelays(walk([from("10.0.0.1", "a@x.example"), from("192.0.2.1", "b@x.example")])),
  ).toBe("b@x.example");
  expect(
    senderByRelays(walk([from("10.0.0.1", "a@x.example"), from("10.0.0.2", "b@x.example")])),
  ).toBe("b@x.example");
  expect(
    senderByRelays(walk([from("192.0.2.1", "nobody"), from("192.0.2.2", "b@x.example")])),
  ).toBeNull();
  expect(senderByRelays(walk([]))).toBeNull();
});
