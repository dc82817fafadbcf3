// Notices as they are composed: hostile text in every place, and the words about what was left out.
import { simpleParser } from "mailparser";
import { describe, expect, it } from "vitest";
import { composeNotice, type Notice, type StoppedAs } from "../../src/mail/notice.ts";

const HOSTILE = 'a\r\nBcc: <victim@x>\r\n\r\nbody"<>\u202e\ud800';
const NOTICE: Notice = {
  hostname: "filter.example",
  noticeId: "AAAAAAAAAAAA",
  to: { raw: "postmaster@ours.example", local: "postmaster", domain: "ours.example" },
  about: {
    id: "00001-01",
    mailId: "BBBBBBBBBBBB",
    category: "banned",
    why: "BANNED: x.exe",
    sender: "sender@remote.example",
    subject: "hello",
    arrivedAt: new Date(0),
    quarantineId: "BBBBBBBBBBBB",
  },
  says: {
    kind: "postmaster",
    recipients: [{ raw: "a@ours.example", how: "discarded" }],
    client: { address: null, name: null, helo: null, ident: null },
  },
  leftOut: 0,
  now: new Date(0),
};

describe("composeNotice", () => {
  it("keeps hostile text on its line", async () => {
    const octets = await composeNotice({
      ...NOTICE,
      about: { ...NOTICE.about, why: HOSTILE, sender: HOSTILE, subject: HOSTILE },
      says: {
        kind: "postmaster",
        recipients: [{ raw: HOSTILE, how: "discarded" }],
        client: { address: HOSTILE, name: HOSTILE, helo: HOSTILE, ident: HOSTILE },
      },
    });
    const text = octets.toString("latin1");
    expect(text.slice(0, text.indexOf("\r\n\r\n"))).not.toMatch(/^Bcc:/m);
    const read = await simpleParser(octets);
    expect(read.text).not.toMatch(/^(?:Bcc|body)/m);
    expect(read.text).toContain("postern quarantine show BBBBBBBBBBBB");
    expect(read.headers.get("auto-submitted")).toBe("auto-generated");
  });

  it.each([
    [0, /^((?!left out).)*$/s],
    [1, /1 more like it was left out/],
    [7, /7 more like it were left out/],
  ])("says that %i were left out", async (leftOut, expected) => {
    expect((await simpleParser(await composeNotice({ ...NOTICE, leftOut }))).text).toMatch(
      expected,
    );
  });

  it.each<StoppedAs>(["virus", "banned", "listed", "unchecked", "greylisted", "spam", "malformed"])(
    "tells a recipient why, without names: %s",
    async (category) => {
      const read = await simpleParser(
        await composeNotice({
          ...NOTICE,
          about: { ...NOTICE.about, category },
          says: { kind: "recipient", postmaster: "postmaster@ours.example" },
        }),
      );
      expect(read.text).toMatch(/was not delivered, because [a-z ,-]+\.\n/);
      expect(read.text).not.toContain("x.exe");
    },
  );

  it("tells the postmaster who passed a limit, whatever the names hold", async () => {
    const read = await simpleParser(
      await composeNotice({
        ...NOTICE,
        about: null,
        says: {
          kind: "limit",
          what: "login bob\r\nBcc: x@y.example passed 2 messages per 1h: stolen?",
          rule: "rules/limits.rules:12",
          how: "refused",
          login: "bob\nX: y",
          sender: "bob@ours.example",
          client: { address: "192.0.2.7", name: null, helo: "x\ny", ident: null },
          at: new Date(0),
        },
      }),
    );
    expect(read.subject).toMatch(/^LIMIT passed: login bob.*stolen\?$/);
    expect(read.headers.has("bcc")).toBe(false);
    expect(read.text).toMatch(/^ {2}limit: +login bob.* passed 2 messages per 1h: stolen\?$/m);
    expect(read.text).toMatch(/^ {2}client: +\[192\.0\.2\.7\] \(HELO x.y\)$/m);
    expect(read.text).not.toMatch(/^(?:Bcc|X|y)/m);
  });

  it("is bounded, whatever it is about", async () => {
    const long = "x".repeat(1_000_000);
    const recipients = Array.from({ length: 10_000 }, () => ({ raw: long, how: "discarded" }));
    const octets = await composeNotice({
      ...NOTICE,
      about: { ...NOTICE.about, sender: long, subject: long, why: long },
      says: { ...NOTICE.says, kind: "postmaster", recipients } as Extract<
        Notice,
        { about: object }
      >["says"],
    });
    expect(octets.length).toBeLessThan(100_000);
  });
});
