// Whose share a message counts to, what it announces, and what clients of clamd and spamd leave to mail.
import { tmpdir } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { admission, announcedSize, clientOf, type Admission } from "../src/admission.ts";
import { parseConfig } from "../src/config.ts";
import type { Transaction } from "../src/mail/message.ts";
import { textLog } from "../src/sys/log.ts";
import { metrics } from "../src/sys/metrics.ts";

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

describe("clients of clamd and spamd", () => {
  const open: Admission[] = [];
  afterEach(() => open.splice(0).forEach((one) => one.close()));
  const door = (limits: string): Admission => {
    const nowhere = { write: () => true, flushSync() {} };
    const text = `[server]\nstate_dir = "${tmpdir()}"\nworker_memory = "100G"\n[limits]\nmin_free = "1"\n${limits}\n`;
    const made = admission(parseConfig(text, "postern.toml"), textLog(nowhere, nowhere), metrics());
    open.push(made);
    return made;
  };
  const mail = async (one: Admission, more: Partial<Transaction> = {}): Promise<number> =>
    (await one.mail(transaction(more), 10)).code;

  it("have half of the places: mail comes in however many of them there are", async () => {
    const one = door("in_flight = 4");
    const places = [await one.stream(0), await one.stream(0)];
    expect(places).not.toContain(null);
    let third = false;
    void one.stream(0).then(() => (third = true));
    expect([await mail(one), await mail(one)]).toEqual([250, 250]);
    expect(third).toBe(false);
    places[0]?.leave();
    places[0]?.leave();
    await expect.poll(() => third).toBe(true);
    expect(await mail(one)).toBe(451);
  });

  it("have half of the octets, by what they announce and by what comes", async () => {
    const one = door('in_flight_bytes = "10M"\nmessage_size = "8M"');
    const [a, b] = [await one.stream(1e6), await one.stream(0)];
    expect([a?.grow(2e6), b?.grow(2e6), b?.grow(6e6)]).toEqual([true, true, false]);
    expect(await mail(one, { senderParams: ["SIZE=5000000"] })).toBe(250);
    b?.leave();
    expect(a?.grow(4e6)).toBe(true);
    a?.leave();
  });

  it("may be as large as mail when they are alone, whatever they announce", async () => {
    const one = door('in_flight_bytes = "10M"\nmessage_size = "8M"');
    expect((await one.stream(1e12))?.grow(8e6)).toBe(true);
  });
});
