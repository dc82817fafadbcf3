// Which texts are addresses, private or local ones; and dates.
import { describe, expect, it } from "vitest";
import {
  isIp,
  isIpv4,
  isLocalhost,
  isPrivateIp,
  startsPrivate,
} from "../../../src/spamrules/received/addresses.ts";
import { parseMailDate } from "../../../src/spamrules/received/date.ts";

describe("addresses", () => {
  it.each([
    "192.0.2.1",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db8::1",
    "IPv6:2001:db8::1",
    "1:2:3:4:5:6:7:8",
    "::ffff:192.0.2.1",
    "1::2:3:4:5:6:7",
  ])("%s is one", (text) => {
    expect(isIp(text)).toBe(true);
  });

  it.each([
    "256.0.2.1",
    "192.0.2",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    ":::1",
    "12345::",
    "1::2:3:4:5:6:7:8",
    "g::1",
    "",
  ])("%s is none", (text) => {
    expect(isIp(text)).toBe(false);
  });

  it("tells private ones", () => {
    for (const ip of [
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.1",
      "192.168.9.9",
      "100.64.0.1",
      "127.9.9.9",
      "169.254.1.1",
      "fe80::1",
      "::1",
      "0:0:0:0:0:0:0:1",
      "::ffff:10.0.0.1",
    ]) {
      expect(isPrivateIp(ip), ip).toBe(true);
    }
    for (const ip of [
      "11.0.0.1",
      "172.32.0.1",
      "100.128.0.1",
      "fec0::1",
      "fd00::1",
      "::2",
      "::ffff:11.0.0.1",
    ]) {
      expect(isPrivateIp(ip), ip).toBe(false);
    }
    expect(isPrivateIp("::1x")).toBe(false);
    expect(startsPrivate("::1x")).toBe(true);
  });

  it("tells local ones", () => {
    for (const name of [
      "localhost",
      "LOCALHOST.localdomain",
      "127.0.0.1",
      "::1",
      "::ffff:127.0.0.1",
    ]) {
      expect(isLocalhost(name), name).toBe(true);
    }
    for (const name of ["localhost.example", "127.0.0.2", "::2"])
      expect(isLocalhost(name), name).toBe(false);
    expect(isIpv4("::1")).toBe(false);
  });
});

describe("dates", () => {
  const at = (iso: string): number => Date.parse(iso) / 1000;

  it.each([
    ["Tue, 23 May 2006 13:06:35 -0400", "2006-05-23T17:06:35Z"],
    ["23 May 2006 13:06:35 +0530 (IST)", "2006-05-23T07:36:35Z"],
    ["Tue May 23 13:06:35 2006", "2006-05-23T00:00:00Z"],
    ["Tue,23 may 06 13:06 EDT", "2006-05-23T17:06:00Z"],
    ["23 May 99 13:06:35 XYZ", "1999-05-23T13:06:35Z"],
    ["23 May 106 13:06:35 GMT", "2006-05-23T13:06:35Z"],
    ["31 Sep 2004 21:60:61 -0000", "2004-10-01T21:59:59Z"],
    ["32 Dec 2004 24:00:00 -0000", "2005-01-01T23:00:00Z"],
    ["1 Jan 2099 00:00:00 +0000", "2037-01-01T00:00:00Z"],
    ["1 Jan 1970 00:00:00 +0100", "1970-01-01T00:00:00Z"],
  ])("%s", (text, iso) => {
    expect(parseMailDate(text)).toBe(at(iso));
  });

  it.each([
    "",
    "yesterday",
    "2006-05-23 13:06",
    "00 May 2006 13:06:35 -0400",
    "23 Mai 2006 13:06:35 +0200",
  ])("%j is none", (text) => {
    expect(parseMailDate(text)).toBeNull();
  });
});
