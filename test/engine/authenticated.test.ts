// Sender authentication and signing through the whole app: a DNS server on loopback, a listener, a next hop that keeps octets.
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, describe, expect, it, test } from "vitest";
import { keyRecord } from "../../src/cli/dkim.ts";
import { dkimSignatures } from "../../src/mail/dkim-sign.ts";
import { zoneServer, type Zone, type ZoneServer } from "../fakes/dns-zone.ts";
import { answering } from "../fakes/dns-answers.ts";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const { dkimVerify } = createRequire(import.meta.url)("mailauth/lib/dkim/verify.js") as {
  readonly dkimVerify: (
    input: Buffer,
    options: object,
  ) => Promise<{ results: { status: { result: string; comment?: string } }[] }>;
};

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function started(
  zone: Zone,
  toml = "",
  more: Partial<AppOptions> = {},
): Promise<{ app: RunningApp; next: NextHopServer; dns: ZoneServer }> {
  const dns = await zoneServer(zone);
  const next = await nextHop({});
  const app = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = ["${dns.address}"]\ntimeout = "100ms"\nretries = 1\nbudget = "300ms"\n${toml}`,
    ...more,
  });
  open.push({ stop: () => dns.stop() }, { stop: () => next.close() }, app);
  return { app, next, dns };
}

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed = generateKeyPairSync("ed25519").privateKey;
const PEM = { type: "pkcs8", format: "pem" } as const;
const CLIENT = { ADDR: "192.0.2.7", NAME: "mx.remote.example", HELO: "mx.remote.example" };
const ZONE: Zone = {
  "remote.example": { TXT: "v=spf1 ip4:192.0.2.0/24 -all" },
  "_dmarc.remote.example": { TXT: "v=DMARC1; p=reject" },
  "k._domainkey.remote.example": { TXT: keyRecord(privateKey) },
};
const TEXT =
  "From: Sender <sender@remote.example>\r\nTo: a@ours.example\r\nSubject: hello\r\n\r\nhello\r\n";

async function signed(text: string): Promise<string> {
  const octets = Buffer.from(text);
  const open = async function* (): AsyncGenerator<Buffer> {
    yield octets;
  };
  const body = { size: octets.length, bytes: [octets], open };
  const keys = [{ domain: "remote.example", selector: "k", key: privateKey }];
  return `${(await dkimSignatures(body, keys, new Date())).join("")}\r\n${text}`;
}

/** Authentication-Results fields of each copy, unfolded. */
const results = (next: NextHopServer): string[][] =>
  next.delivered.map(({ body }) => {
    const head = body.toString().split("\r\n\r\n")[0] ?? "";
    const fields = head.replace(/\r\n[ \t]+/g, " ").split("\r\n");
    return fields.filter((field) => /^authentication-results:/i.test(field));
  });

describe("inbound", () => {
  it("says what was proven, to local recipients, in a field that nobody else can write", async () => {
    const { app, next, dns } = await started(ZONE);
    const forged = `Authentication-Results: filter.example; dkim=pass header.d=bank.example\r\n${await signed(TEXT)}`;
    await app.send({ to: ["a@ours.example", "x@else.example"], xforward: CLIENT, text: forged });
    const [local, remote] = next.delivered[0]?.rcpts[0]?.includes("ours")
      ? results(next)
      : results(next).reverse();
    expect(local).toHaveLength(1);
    expect(local?.[0]?.replace(/header\.b=\S+?;/, "header.b=…;")).toBe(
      "Authentication-Results: filter.example; spf=pass smtp.mailfrom=remote.example; dkim=pass header.d=remote.example header.s=k header.a=rsa-sha256 header.b=…; dmarc=pass header.from=remote.example",
    );
    expect(remote).toEqual([]);
    expect(new Set(dns.asked).size).toBe(dns.asked.length);
  });

  const LOOP: Zone = {
    "remote.example": { CNAME: "b.example" },
    "b.example": { CNAME: "remote.example" },
  };
  test.each<[string, Zone, string]>([
    [
      "SERVFAIL",
      { ...ZONE, "remote.example": { fails: "servfail" } },
      "spf=temperror smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    [
      "REFUSED",
      { ...ZONE, "remote.example": { fails: "refused" } },
      "spf=temperror smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    [
      "silence",
      { ...ZONE, "k._domainkey.remote.example": { fails: "timeout" } },
      "spf=pass smtp.mailfrom=remote.example; dkim=temperror; dmarc=pass",
    ],
    [
      "aliases in a circle",
      { ...ZONE, ...LOOP },
      "spf=temperror smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    [
      "an alias to the key",
      {
        ...ZONE,
        "k._domainkey.remote.example": { CNAME: "k.keys.example" },
        "k.keys.example": { TXT: keyRecord(privateKey) },
      },
      "spf=pass smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    [
      "a cut answer",
      { ...ZONE, "remote.example": { TXT: "v=spf1 ip4:192.0.2.0/24 -all", cut: true } },
      "spf=pass smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    [
      "40 KB of TXT",
      {
        ...ZONE,
        "remote.example": {
          TXT: [
            "v=spf1 ip4:192.0.2.0/24 -all",
            ...Array.from({ length: 160 }, (_, i) => `${i} ${"x".repeat(250)}`),
          ],
        },
      },
      "spf=temperror smtp.mailfrom=remote.example; dkim=pass; dmarc=pass",
    ],
    ["no records at all", {}, "spf=none smtp.mailfrom=remote.example; dkim=permerror; dmarc=none"],
  ])("%s", async (_, zone, expected) => {
    const { app, next } = await started(zone);
    const start = performance.now();
    const [reply] = await app.send({
      to: ["a@ours.example"],
      xforward: CLIENT,
      text: await signed(TEXT),
    });
    expect(reply?.code).toBe(250);
    expect(performance.now() - start).toBeLessThan(5_000);
    const field = results(next)[0]?.[0] ?? "";
    const short = field
      .replace("Authentication-Results: filter.example; ", "")
      .replace(/(dkim=\w+)[^;]*/, "$1")
      .replace(/(dmarc=\w+)[^;]*/, "$1");
    expect(short).toBe(expected);
  });

  it("says nothing of SPF for an unknown client, and nothing at all when it is off", async () => {
    const { app, next } = await started(ZONE);
    await app.send({ to: ["a@ours.example"], text: TEXT });
    expect(results(next)).toEqual([["Authentication-Results: filter.example; dkim=none"]]);
    const off = await started(ZONE, "[auth]\nverify = false\n");
    await off.app.send({ to: ["a@ours.example"], xforward: CLIENT, text: TEXT });
    expect(results(off.next)).toEqual([[]]);
    expect(off.dns.asked).toEqual([]);
  });
});

describe("outbound", () => {
  const resolver = answering({
    "TXT r._domainkey.ours.example": [keyRecord(privateKey)],
    "TXT e._domainkey.ours.example": [keyRecord(ed)],
  });
  const RULES = {
    "dkim.rules":
      "sign ours.example selector=r,e\nsign other.example selector=r domain=other.example key=ours.example.r.pem\n",
  };
  const before = async (dir: string): Promise<void> => {
    await mkdir(join(dir, "dkim"), { mode: 0o700 });
    await writeFile(join(dir, "dkim/ours.example.r.pem"), privateKey.export(PEM), { mode: 0o600 });
    await writeFile(join(dir, "dkim/ours.example.e.pem"), ed.export(PEM), { mode: 0o600 });
  };
  const INTERNAL = '[networks]\ninternal = ["10.0.0.0/8"]\n';
  const OURS = TEXT.replace("sender@remote.example", "me@ours.example");
  const verdicts = (octets: Buffer): Promise<string[]> =>
    dkimVerify(octets, { resolver, strict: true }).then(({ results: all }) =>
      all.map(({ status }) => status.result),
    );

  it("signs every copy over what goes out, whatever was edited in it", async () => {
    const { app, next } = await started(ZONE, INTERNAL, { rules: RULES, before });
    const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    await app.send({
      to: ["a@ours.example", "x@else.example"],
      xforward: { ADDR: "10.1.2.3" },
      text: `X-Spam-Status: No\r\n${OURS}${gtube.slice(1)}\r\n`,
    });
    await app.send({
      to: ["x@else.example"],
      xforward: { ADDR: "10.1.2.3" },
      text: `${OURS}${"long\r\n".repeat(100_000)}`,
    });
    expect(next.delivered.length).toBeGreaterThanOrEqual(2);
    for (const { body } of next.delivered) {
      expect(body.toString("utf8", 0, 15)).toBe("DKIM-Signature:");
      expect(await verdicts(body)).toEqual(["pass", "pass"]);
    }
  });

  test.each([
    ["mail from outside", "192.0.2.7", OURS],
    ["an author of another domain", "10.1.2.3", OURS.replace("me@ours", "me@else")],
    ["a message without an author", "10.1.2.3", OURS.replace(/^From:.*\r\n/, "")],
  ])("does not sign %s", async (_, ADDR, text) => {
    const { app, next } = await started(ZONE, INTERNAL, { rules: RULES, before });
    await app.send({ to: ["x@else.example"], xforward: { ADDR }, text });
    expect(next.delivered[0]?.body.toString()).not.toContain("DKIM-Signature");
  });

  it("does not start with a key that others can read", async () => {
    const loose = async (dir: string): Promise<void> => {
      await before(dir);
      await chmod(join(dir, "dkim/ours.example.r.pem"), 0o644);
    };
    await expect(started(ZONE, INTERNAL, { rules: RULES, before: loose })).rejects.toThrow(
      /can be read by others/,
    );
  });
});
