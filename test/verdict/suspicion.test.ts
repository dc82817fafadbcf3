import { describe, expect, it } from "vitest";
import { isOddHelo, mustWait, suspicions, type ClientFacts } from "../../src/verdict/suspicion.ts";

const GOOD: ClientFacts = {
  address: "192.0.2.5",
  helo: "mx.example.org",
  name: "mx.example.org",
  confirmed: true,
  unsure: false,
  listed: false,
  spfFailed: false,
  inBand: false,
  hostname: "mail.ours.example",
};

describe("suspicions", () => {
  it.each<[string, Partial<ClientFacts>, readonly string[]]>([
    ["an ordinary mail server", {}, []],
    ["no name", { name: null, confirmed: false }, ["rdns"]],
    ["a name that does not lead back", { confirmed: false }, ["rdns"]],
    ["DNS gave no answer", { name: null, confirmed: false, unsure: true }, []],
    ["a dial-up name", { name: "dsl-192-0-2-5.isp.example" }, ["generic"]],
    ["an odd greeting", { helo: "localhost" }, ["helo"]],
    [
      "everything",
      { name: null, confirmed: false, helo: null, listed: true, spfFailed: true, inBand: true },
      ["dnsxl", "rdns", "helo", "spf", "score"],
    ],
  ])("%s", (_, facts, expected) => {
    expect(suspicions({ ...GOOD, ...facts })).toEqual(expected);
  });

  it("counts only what the operator lists", () => {
    expect(mustWait("always", [])).toBe(true);
    expect(mustWait(new Set(["dnsxl"]), ["rdns"])).toBe(false);
    expect(mustWait(new Set(["dnsxl", "rdns"]), ["rdns"])).toBe(true);
    expect(mustWait(new Set(), ["dnsxl", "rdns"])).toBe(false);
  });
});

describe("isOddHelo", () => {
  it.each([
    [null, true],
    ["", true],
    ["192.0.2.5", true],
    ["[192.0.2.5]", true],
    ["[IPv6:2001:db8::1]", true],
    ["PC-1", true],
    ["desktop.local", true],
    ["mail.ours.example", true],
    ["192-0-2-5.isp.example", true],
    ["mx.example.org", false],
    ["MX.Example.ORG.", false],
    ["mail7.example.co.uk", false],
    ["bad name.example.org", true],
  ])("%s: %s", (helo, odd) => {
    expect(isOddHelo(helo, "192.0.2.5", "mail.ours.example")).toBe(odd);
  });
});
