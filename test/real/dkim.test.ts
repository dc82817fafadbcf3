// Mail signed by postern, verified by those who will get it: Mail::DKIM (amavis, SpamAssassin), OpenDKIM, and SpamAssassin itself.
// The public keys come from a DNS server in this process, as real verifiers ask for them.
import { execFileSync, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyRecord } from "../../src/cli/dkim.ts";
import { zoneServer, type ZoneServer } from "../fakes/dns-zone.ts";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type RunningApp } from "../fakes/running-app.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed = generateKeyPairSync("ed25519").privateKey;
const PEM = { type: "pkcs8", format: "pem" } as const;
const SCRIPT = join(import.meta.dirname, "lab/dkim-verify.pl");

let dns: ZoneServer;
let next: NextHopServer;
let app: RunningApp;
let dir = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-real-dkim-"));
  dns = await zoneServer({
    "r._domainkey.ours.example": { TXT: keyRecord(rsa) },
    "e._domainkey.ours.example": { TXT: keyRecord(ed) },
    "ours.example": { MX: "10 mx.ours.example", A: "192.0.2.25" },
  });
  next = await nextHop({});
  app = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[networks]\ninternal = ["10.0.0.0/8"]\n`,
    rules: { "dkim.rules": "sign ours.example selector=r,e\n" },
    async before(home) {
      await mkdir(join(home, "dkim"), { mode: 0o700 });
      await writeFile(join(home, "dkim/ours.example.r.pem"), rsa.export(PEM), { mode: 0o600 });
      await writeFile(join(home, "dkim/ours.example.e.pem"), ed.export(PEM), { mode: 0o600 });
    },
  });
});
afterAll(async () => {
  await app.stop();
  await next.close();
  await dns.stop();
  await rm(dir, { recursive: true });
});

const HEAD =
  "From: Me <me@ours.example>\nTo: you@else.example\nDate: Sat, 21 Nov 2026 01:03:48 +0000\nMessage-ID: <1@ours.example>\n";
const MESSAGES: readonly (readonly [string, string])[] = [
  ["plain text", `${HEAD}Subject: hello\n\nHello  there,\t\n\nbye\n\n\n`],
  [
    "UTF-8",
    `${HEAD}Subject: Grüße aus Köln\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nschöne Grüße\n.\n..\n`,
  ],
  [
    "folded fields",
    `${HEAD}Subject:  a long \t subject\n that  goes\n\ton\nReferences: <a@x>\n <b@x>\n\nx\n`,
  ],
  ["an empty body", `${HEAD}Subject: empty\n\n`],
  [
    "an attachment of a megabyte",
    `${HEAD}Subject: large\nMIME-Version: 1.0\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n${`${"QUJD".repeat(19)}\n`.repeat(14_000)}`,
  ],
];

async function delivered(text: string): Promise<Buffer> {
  const before = next.delivered.length;
  await app.send({
    from: "me@ours.example",
    to: ["you@else.example"],
    xforward: { ADDR: "10.1.2.3" },
    text,
  });
  return next.delivered[before]?.body ?? Buffer.alloc(0);
}

/** What a program prints when it reads `input`; our DNS server answers meanwhile. */
function output(file: string, args: readonly string[], input: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    child.on("error", reject);
    child.on("close", () => resolve(text));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

function has(command: string): boolean {
  return ["/usr/bin", "/usr/sbin", "/usr/local/bin"].some((path) =>
    existsSync(join(path, command)),
  );
}

function hasPerl(module: string): boolean {
  try {
    execFileSync("perl", [`-M${module}`, "-e", "1"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasPerl("Mail::DKIM"))("Mail::DKIM passes the RSA signature of", () => {
  test.each(MESSAGES)("%s", async (_, text) => {
    const signed = await delivered(text);
    const lines = await output("perl", [SCRIPT, dns.address.split(":")[1] ?? ""], signed);
    expect(lines).toContain("pass rsa-sha256 d=ours.example s=r\n");
    const changed = Buffer.from(
      signed.toString("latin1").replace("\r\nFrom: Me", "\r\nFrom: You"),
      "latin1",
    );
    const broken = await output("perl", [SCRIPT, dns.address.split(":")[1] ?? ""], changed);
    expect(broken).not.toMatch(/^pass/m);
  });
});

describe.skipIf(!has("opendkim"))("OpenDKIM passes the RSA signature of", () => {
  test.each(MESSAGES)("%s", async (_, text) => {
    const keys = join(dir, "keys");
    await writeFile(
      keys,
      `r._domainkey.ours.example ${keyRecord(rsa)}\ne._domainkey.ours.example ${keyRecord(ed)}\n`,
    );
    const conf = join(dir, "opendkim.conf");
    await writeFile(conf, `Mode v\nTestPublicKeys ${keys}\nMinimumKeyBits 1024\n`);
    const signed = await delivered(text);
    const said = await output("opendkim", ["-x", conf, "-t", "-"], signed);
    expect(said).toMatch(/verification \(s=r,? d=ours\.example.*succeeded/);
    const changed = Buffer.from(
      signed.toString("latin1").replace("\r\nFrom: Me", "\r\nFrom: You"),
      "latin1",
    );
    expect(await output("opendkim", ["-x", conf, "-t", "-"], changed)).not.toMatch(
      /s=r,? d=ours\.example.*succeeded/,
    );
  });
});

describe.skipIf(!has("spamassassin"))("SpamAssassin finds DKIM_VALID_AU in", () => {
  test.each(MESSAGES.slice(0, 3))(
    "%s",
    async (_, text) => {
      const [host, port] = dns.address.split(":");
      const args = [
        "-x",
        "-t",
        "--cf",
        "dns_available yes",
        "--cf",
        `dns_server [${host}]:${port}`,
        "--cf",
        "skip_rbl_checks 1",
        "--cf",
        "skip_uribl_checks 1",
      ];
      const said = await output("spamassassin", args, await delivered(text));
      expect(said).toMatch(/\bDKIM_VALID\b/);
      expect(said).toMatch(/\bDKIM_VALID_AU\b/);
    },
    60_000,
  );
});
