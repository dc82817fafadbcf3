// Judges a mail that nobody sent, before a worker listens: what is loaded at its first use (mailauth) and compiled at its first call
// then holds up no client. Asks nothing of the outside, keeps, logs and counts nothing. Called by worker.ts.
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { NO_LISTS } from "./checks/dnsxl.ts";
import { NO_GREYLIST } from "./checks/greylist.ts";
import { rcptChecksOf, type MessageMeans } from "./checks/index.ts";
import type { ClassicResolver } from "./clients/dns-mailauth.ts";
import type { Config } from "./config.ts";
import { rcptAnswers } from "./engine/answer-rcpt.ts";
import { judge } from "./engine/judge.ts";
import { isReply, receive } from "./engine/receive.ts";
import { oneBuffer } from "./engine/report.ts";
import { greylistDns } from "./greylisting.ts";
import { benchOf, surroundings } from "./judging.ts";
import { parseAddress, type Address } from "./mail/address.ts";
import { dkimSignatures } from "./mail/dkim-sign.ts";
import { networks } from "./mail/ip.ts";
import type { Transaction } from "./mail/message.ts";
import type { RuleSource } from "./ruleset/source.ts";
import { textLog } from "./sys/log.ts";
import { metrics } from "./sys/metrics.ts";

const DOMAIN = "warm.invalid";
const CLIENT = "192.0.2.1";
/** The second time shows what the first one loaded; more gain nothing that can be measured. */
const TIMES = 2;
const BUDGET_MS = 1000;

const TEXT = Buffer.from(
  `From: A <a@${DOMAIN}>
To: b@${DOMAIN}
Subject: =?utf-8?q?warm?=
Date: Thu, 1 Jan 2026 00:00:00 +0000
Message-ID: <1@${DOMAIN}>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<a href=3D"http://www.${DOMAIN}/">x</a>
--b
Content-Type: text/plain; name="a.txt"
Content-Disposition: attachment; filename="a.txt"
Content-Transfer-Encoding: base64

eA==
--b--
`.replaceAll("\n", "\r\n"),
);

/** A line of each kind that checks look at; the operator's rules are compiled by the app. */
const RULES: RuleSource = new Map([
  ["clients.rules", "deny 198.51.100.0/24\n"],
  ["senders.rules", "allow other.invalid if dkim\n"],
  ["banned.rules", "deny /[.](exe|scr)$/\ndeny .exe-ms application/hta\n"],
  ["dnsxl.rules", "list list.invalid for=client,helo,sender,uri\n"],
]);

/** Resolves when it is done, or soon after a second: what was found. What the configuration switches off is not loaded. */
export async function warmUp(config: Config): Promise<readonly string[]> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const means = quietMeans(config, privateKey);
  const bench = benchOf(RULES, config, means);
  const deep = { deepen: <T>(tree: T): T => tree, close: async () => {} };
  const around = surroundings(config, () => true, deep);
  const signing = { domain: DOMAIN, selector: "s", key: privateKey };
  const fields = await dkimSignatures(oneBuffer(TEXT), [signing], new Date());
  const body = oneBuffer(Buffer.concat([Buffer.from(`${fields.join("\r\n")}\r\n`), TEXT]));
  const signal = AbortSignal.timeout(BUDGET_MS);
  const intake = { mode: "before-queue", origin: "inbound", client: "xforward" } as const;
  const isLocal = (): boolean => true;
  const answer = policy(config, bench.rules, means);
  const found = new Set<string>();
  for (let time = 0; time < TIMES; time++) {
    const message = await receive(transaction(), body, intake, around);
    if (isReply(message)) throw new Error(message.text);
    const judged = await judge(message, bench, { isLocal, checkDeadlineMs: BUDGET_MS, signal });
    for (const { symbol } of judged.findings) found.add(symbol);
    found.add((await answer(request())).word);
  }
  return [...found];
}

function quietMeans(config: Config, key: KeyObject): MessageMeans {
  const greylist = { ...NO_GREYLIST, when: "always", atData: () => true } as const;
  if (config.dns.servers === "off") return { greylist };
  const resolver = records(key);
  const dns = greylistDns({ dns: NO_LISTS.dns, resolver });
  return {
    greylist: { ...greylist, dns },
    dnsxl: NO_LISTS,
    ...(config.auth.verify && { resolver }),
  };
}

/** DNS of the one domain that there is here. */
function records(key: KeyObject): ClassicResolver {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const answers: Readonly<Record<string, string>> = {
    [`s._domainkey.${DOMAIN}`]: `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString("base64")}`,
    [`_dmarc.${DOMAIN}`]: "v=DMARC1; p=reject",
    [DOMAIN]: `v=spf1 include:${DOMAIN}.invalid ip4:${CLIENT} -all`,
    [`${DOMAIN}.invalid`]: "v=spf1 a mx -all",
  };
  return async (name, type) => {
    const text = type === "TXT" ? answers[name.toLowerCase()] : undefined;
    if (text === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    return [[text]];
  };
}

function policy(
  config: Config,
  rules: ReturnType<typeof benchOf>["rules"],
  { dnsxl, greylist }: MessageMeans,
): ReturnType<typeof rcptAnswers> {
  const means = {
    ...(dnsxl !== undefined && { dnsxl }),
    ...(greylist !== undefined && { greylist }),
  };
  const rates = { take: async () => ({ count: 0, allowed: true }) };
  const bench = { rules, checks: rcptChecksOf(rules, { rates, ...means }) };
  const nowhere = { write: () => true, flushSync() {} };
  return rcptAnswers({
    bench: () => bench,
    internal: networks(config.networks.internal),
    relays: networks(config.networks.relays),
    isLocal: () => true,
    recipient: () => null,
    budgetMs: BUDGET_MS,
    onFail: "dunno",
    onCheck: () => {},
    limitPassed: () => {},
    log: textLog(nowhere, nowhere),
    metrics: metrics(),
  });
}

const request = (): ReadonlyMap<string, string> =>
  new Map([
    ["request", "smtpd_access_policy"],
    ["protocol_state", "RCPT"],
    ["client_address", CLIENT],
    ["client_name", "unknown"],
    ["helo_name", DOMAIN],
    ["sender", `a@${DOMAIN}`],
    ["recipient", `b@${DOMAIN}`],
    ["policy_context", "inbound"],
  ]);

function transaction(): Transaction {
  return {
    listener: "warm-up",
    peer: "",
    peerPort: 0,
    greeting: DOMAIN,
    protocol: "ESMTP",
    xforward: new Map([
      ["ADDR", CLIENT],
      ["HELO", DOMAIN],
    ]),
    sender: address("a"),
    senderParams: [],
    recipients: [{ address: address("b"), params: [] }],
    startedAt: new Date(),
  };
}

function address(local: string): Address {
  const raw = `${local}@${DOMAIN}`;
  return parseAddress(raw) ?? { raw, local, domain: DOMAIN };
}
