// Rules that ask the network, beside the real SpamAssassin: both ask one DNS server and must come to the same hits and points. SA_CORPUS
// names a directory whose messages are compared too, and is not needed.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auth } from "../../../src/checks/auth.ts";
import { ruleLookups } from "../../../src/checks/spam-dns.ts";
import { NO_PROOFS, provenAt } from "../../../src/checks/spam-proofs.ts";
import { withCrlf } from "../../../src/cli/dry-judge.ts";
import { dnsResolver, type Dns } from "../../../src/clients/dns.ts";
import { mailauthResolver } from "../../../src/clients/dns-mailauth.ts";
import { oneBuffer } from "../../../src/engine/report.ts";
import { parseAddress } from "../../../src/mail/address.ts";
import { headerEnd } from "../../../src/mail/header.ts";
import { compileRules } from "../../../src/ruleset/compile.ts";
import { spamEngine, type SpamEngine } from "../../../src/spamrules/engine.ts";
import type { EngineData } from "../../../src/spamrules/engine-job.ts";
import type { Proofs } from "../../../src/spamrules/evals/eval.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { parseRules } from "../../../src/spamrules/language/parse.ts";
import { readRules } from "../../../src/spamrules/language/read.ts";
import { prepare, toolsOf, type Tools } from "../../../src/spamrules/prepare.ts";
import { zoneServer, type ZoneServer } from "../../fakes/dns-zone.ts";
import { message } from "../../fakes/message.ts";
import { have } from "../lab/peers.ts";
import { rbldnsd } from "../lab/rbldnsd.ts";
import { messages, world } from "./dns-world.ts";

const ORACLE = join(import.meta.dirname, "oracle.pl");
const RULES = { ruleDirs: ["/usr/share/spamassassin"], siteDirs: ["/etc/spamassassin"] };
const SIGNAL = new AbortController().signal;
const MINUTES = 60_000;
const CORPUS = process.env["SA_CORPUS"];

interface Told {
  readonly file: string;
  readonly score: number;
  readonly hits: Readonly<Record<string, number>>;
}

async function engineData(cf: string): Promise<EngineData> {
  const read = await readRules(RULES);
  return {
    texts: [...read.texts, { file: "test.cf", octets: cf }],
    includes: [...read.includes].map(([file, named]) => [file, [...named]] as const),
    problems: read.problems,
    local: false,
    bayes: false,
    hostname: "mx.home.example",
  };
}

function resolver(port: number): Dns {
  return dnsResolver({
    servers: [{ host: "127.0.0.1", port }],
    budgetMs: 4000,
    timeoutMs: 1500,
    retries: 2,
    inFlight: 256,
  });
}

/** Asynchronous: the server that it asks is in this process. */
function oracle(files: readonly string[], cf: string, port: number): Promise<Map<string, Told>> {
  return new Promise((resolve, reject) => {
    const args = [ORACLE, "--net", "--cf", cf, "-"];
    // Mail::DMARC asks past SpamAssassin, with the resolver of the system.
    const env = {
      ...process.env,
      RES_NAMESERVERS: "127.0.0.1",
      RES_OPTIONS: `port:${port}`,
    };
    const child = spawn("perl", args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (piece: Buffer) => out.push(piece));
    child.stderr.on("data", (piece: Buffer) => err.push(piece));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0)
        return reject(new Error(`oracle.pl: ${code}: ${Buffer.concat(err).toString()}`));
      const lines = Buffer.concat(out).toString("latin1").trim().split("\n");
      const told = lines.map((line) => JSON.parse(line) as Told);
      return resolve(new Map(told.map((one) => [one.file, one])));
    });
    child.stdin.on("error", () => undefined); // its exit code tells
    child.stdin.end(files.map((file) => `${file}\n`).join(""));
  });
}

type Scored = Awaited<ReturnType<SpamEngine["score"]>>;

/** Our side: the auth check says what it knows, then the engine scores. */
class Ours {
  readonly #engine: SpamEngine;
  readonly #dns: Dns;
  readonly #tools: Tools;
  readonly #auth: ReturnType<typeof auth>;

  constructor(data: EngineData, port: number, deadlineMs = 30_000) {
    this.#engine = spamEngine({ data, deadlineMs });
    this.#dns = resolver(port);
    const includes = new Map(data.includes.map(([file, named]) => [file, new Map(named)]));
    const { settings } = parseRules({ ...data, includes }, { local: false });
    this.#tools = toolsOf(settings, renderHtml);
    const compiled = compileRules(new Map(), { modes: [], hasOutgoing: false });
    if ("errors" in compiled) throw new Error("an empty ruleset does not compile");
    this.#auth = auth(compiled.ok, mailauthResolver(this.#dns));
  }

  warm(): Promise<unknown> {
    return this.#engine.warm();
  }

  async score(octets: Buffer): Promise<Scored> {
    const subject = prepare(octets, { now: Date.now() }, this.#tools);
    const [last] = subject.relays.external;
    const sender = subject.get("EnvelopeFrom:addr")?.trim() ?? "";
    const whole = withCrlf(octets);
    const base = message({
      header: whole.toString("latin1", 0, headerEnd(whole)),
      client: { address: last?.ip ?? null, helo: last?.helo ?? null },
    });
    const envelope = { ...base.envelope, sender: parseAddress(sender), origin: "inbound" as const };
    const mail = { ...base, envelope, body: oneBuffer(whole) };
    const findings = await this.#auth.run(mail, { findings: [], signal: SIGNAL });
    const proofs = await provenAt(mail, findings, mailauthResolver(this.#dns), SIGNAL);
    return this.bare(octets, 4000, proofs);
  }

  /** Without the auth check. */
  bare(octets: Buffer, budgetMs: number, proofs: Proofs = NO_PROOFS): Promise<Scored> {
    const dns = ruleLookups({ dns: this.#dns, budgetMs });
    return this.#engine.score([octets], { now: Date.now(), subrules: true, proofs, dns }, null);
  }

  async close(): Promise<void> {
    await this.#engine.close();
    this.#dns.close();
  }
}

const dir = mkdtempSync(join(tmpdir(), "postern-dns-"));
let server: ZoneServer;
let cf: string;
let ours: Ours;
beforeAll(async () => {
  server = await zoneServer(world());
  cf = `dns_available yes\ndns_server ${server.address.replace("127.0.0.1", "[127.0.0.1]")}\nuse_razor2 0\nuse_pyzor 0\nclear_trusted_networks\n`;
  ours = new Ours(await engineData(cf), server.server.port);
  await ours.warm();
}, 2 * MINUTES);
afterAll(async () => {
  await ours.close();
  await server.stop();
  rmSync(dir, { recursive: true });
});

interface Compared {
  readonly pairs: number;
  /** Rules that only one side hit, by message; and totals that differ. */
  readonly told: readonly string[];
  /** Rules that hit on our side. */
  readonly hit: ReadonlySet<string>;
}

async function compare(files: readonly string[]): Promise<Compared> {
  const theirs = await oracle(files, cf, server.server.port);
  const told: string[] = [];
  const hit = new Set<string>();
  let pairs = 0;
  for (const file of files) {
    const answer = await ours.score(readFileSync(file));
    if ("failed" in answer) throw new Error(answer.failed);
    const there = theirs.get(file);
    const mine = new Set(answer.hits.map(({ rule }) => rule));
    for (const rule of mine) hit.add(rule);
    const other = new Set(Object.keys(there?.hits ?? {}));
    for (const rule of new Set([...mine, ...other])) {
      pairs++;
      if (mine.has(rule) !== other.has(rule))
        told.push(`${file.slice(-30)}: ${rule} only ${mine.has(rule) ? "ours" : "theirs"}`);
    }
    if (Math.abs(answer.total - (there?.score ?? NaN)) > 0.01)
      told.push(`${file.slice(-30)}: ${answer.total} points, theirs ${there?.score}`);
  }
  return { pairs, told, hit };
}

/** One of each kind at least must have hit, or the comparison says little. */
const KINDS = [
  "RCVD_IN_XBL",
  "RCVD_IN_SBL",
  "RCVD_IN_BL_SPAMCOP_NET",
  "RCVD_IN_DNSWL_LOW",
  "RCVD_IN_MSPIKE_H4",
  "URIBL_BLACK",
  "URIBL_SBL_A",
  "URIBL_DBL_SPAM",
  "URIBL_ABUSE_SURBL",
  "__FROM_FMBLA_NEWDOM",
  "__DKIMWL_WL_HI",
  "__DKIMWL_BULKMAIL",
  "__HELO_DNS",
  "__PDS_SPF_ONLYALL",
  "SPF_PASS",
  "SPF_FAIL",
  "SPF_HELO_PASS",
  "DKIM_VALID_AU",
  "DKIM_INVALID",
  "DKIM_ADSP_NXDOMAIN",
  "DMARC_PASS",
  "DMARC_REJECT",
];

describe.runIf(have("spamd"))("beside SpamAssassin", () => {
  it(
    "hits and points are the same",
    async () => {
      const files = (await messages(48)).map((octets, n) => {
        const file = join(dir, `${String(n).padStart(2, "0")}.eml`);
        writeFileSync(file, octets);
        return file;
      });
      const { told, hit } = await compare(files);
      expect(told).toEqual([]);
      expect(KINDS.filter((rule) => !hit.has(rule))).toEqual([]);
    },
    5 * MINUTES,
  );

  // Nothing is skipped where nobody asked for it.
  const withCorpus = CORPUS === undefined ? () => undefined : it;
  withCorpus(
    "real messages, of which at most one pair in a thousand differs",
    async () => {
      const files = readdirSync(CORPUS ?? "", { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort();
      const { pairs, told } = await compare(files);
      console.log(`${files.length} messages, ${pairs} hits of either side\n${told.join("\n")}`);
      expect(told.filter((line) => line.includes(" only ")).length).toBeLessThan(pairs / 1000);
    },
    30 * MINUTES,
  );
});

describe.runIf(have("rbldnsd", "root"))("a DNS server", () => {
  const rules = `header LISTED eval:check_rbl('bl-lastexternal', 'bl.test.')
score LISTED 2
body LOCAL /hello/
score LOCAL 1
`;
  const octets = Buffer.from(
    "Received: from a.example (a.example [192.0.2.7])\n\tby mx.home.example (Postfix) with ESMTP id 1; Sat, 21 Nov 2026 10:00:05 +0000\nSubject: x\n\nhello http://www.bad.example.com/\n",
  );
  it(
    "that lists counts; one that has gone silent holds nothing longer than the budget",
    async () => {
      const lists = await rbldnsd(dir);
      const side = new Ours(await engineData(rules), Number(lists.address.split(":")[1]));
      try {
        await side.warm();
        const names = (answer: Scored): string[] =>
          "failed" in answer
            ? [answer.failed]
            : answer.hits.map(({ rule }) => rule).filter((rule) => /^(?:LISTED|LOCAL)$/.test(rule));
        expect(names(await side.score(octets))).toEqual(["LISTED", "LOCAL"]);
        lists.freeze();
        const other = Buffer.from(octets.toString().replace("192.0.2.7", "198.51.100.9"));
        const start = performance.now();
        const answers = await Promise.all([side.bare(other, 1000), side.bare(other, 1000)]);
        const ms = performance.now() - start;
        for (const answer of answers) {
          expect(names(answer)).toEqual(["LOCAL"]);
          expect(answer).toMatchObject({ partial: null });
          expect("failed" in answer ? 0 : answer.dns?.silent).toBeGreaterThan(0);
        }
        // Both waited at the same time, though there is one thread.
        expect(ms).toBeGreaterThan(900);
        expect(ms).toBeLessThan(1900);
        lists.thaw();
      } finally {
        await side.close();
        await lists.stop();
      }
    },
    2 * MINUTES,
  );
});
