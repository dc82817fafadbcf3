import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isGeneric, networkOf, organisationOf } from "../../src/mail/organisation.ts";

const NONE: ReadonlySet<string> = new Set();

describe("organisationOf", () => {
  it.each([
    ["mail-eopbgr130.outbound.protection.outlook.com", "40.107.13.130", "outlook.com"],
    ["mx3.example.co.uk", "192.0.2.3", "example.co.uk"],
    ["mail192.example.com", "192.0.2.5", "example.com"],
    ["smtp2-6.example.com", "192.0.2.5", "example.com"],
    // address octets, forwards, backwards, padded, hexadecimal
    ["host-192-0-2-5.example.com", "192.0.2.5", null],
    ["5.2.0.192.example.com", "192.0.2.5", null],
    ["h2x5.example.com", "192.0.2.5", null],
    ["192000002005.example.com", "192.0.2.5", null],
    ["c0000205.example.com", "192.0.2.5", null],
    ["2001-db8-1-2.example.com", "2001:db8:1:2::5", null],
    ["20010db800010002.example.com", "2001:db8:1:2::5", null],
    // dynamic words
    ["pool-7.example.com", "192.0.2.5", null],
    ["a.dyn.example.com", "192.0.2.5", null],
    ["dsl12.example.com", "192.0.2.5", null],
    // networks of customers
    ["mail.compute-1.amazonaws.com", "192.0.2.5", null],
    ["my.name.example.comcast.net", "192.0.2.5", null],
    ["static.9.your-server.de", "192.0.2.5", null],
    // no domain at all
    ["localhost", "192.0.2.5", null],
    ["192.0.2.5", "192.0.2.5", null],
    ["com", "192.0.2.5", null],
  ])("%s [%s] is %s", (name, address, expected) => {
    expect(organisationOf(name, address, NONE)).toBe(expected);
  });

  it("takes more shared networks from the operator", () => {
    expect(
      organisationOf("mx.shop.host.example", "192.0.2.5", new Set(["host.example"])),
    ).toBeNull();
  });

  it("never throws on hostile names", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.ipV6(), (name, address) => {
        expect([null, "string"]).toContain(
          organisationOf(name, address, NONE) === null ? null : "string",
        );
        expect(typeof isGeneric(name, "192.0.2.1")).toBe("boolean");
      }),
    );
  });
});

describe("networkOf", () => {
  it.each([
    ["192.0.2.77", "192.0.2.0/24"],
    ["::ffff:192.0.2.77", "192.0.2.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::6", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["x", null],
  ])("%s is in %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
