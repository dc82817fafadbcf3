// A made-up Internet for both scorers to ask: lists that answer by the sum of a name, so that each rule hits here and there, domains with
// name servers, SPF, DKIM and DMARC; and messages from it.
import { createHash, generateKeyPairSync } from "node:crypto";
import { keyRecord } from "../../../src/cli/dkim.ts";
import { dkimSignatures } from "../../../src/mail/dkim-sign.ts";
import { oneBuffer } from "../../../src/engine/report.ts";
import type { Zone, ZoneEntry } from "../../fakes/dns-zone.ts";

const KEY = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const RECORD = keyRecord(KEY);

/** A number for a text, the same in each run. */
function sum(text: string, below: number): number {
  return createHash("sha1").update(text).digest().readUInt32BE() % below;
}

const some = (last: readonly number[], start = "127.0.0"): string[] =>
  last.map((n) => `${start}.${n}`);

/** What lists say, by zone. */
const LISTS: Readonly<Record<string, readonly string[]>> = {
  "zen.spamhaus.org": some([2, 3, 4, 10, 11, 9]),
  "bl.spamcop.net": ["127.0.0.2"],
  "iadb.isipp.com": [...some([1, 2]), "127.0.1.255", "127.2.255.3", "127.3.100.7"],
  "sa-trusted.bondedsender.org": ["127.0.0.10"],
  "sa-accredit.habeas.com": ["127.0.0.10"],
  "bl.score.senderscore.com": ["127.0.0.2"],
  "bl.mailspike.net": some([2, 10, 11, 12, 13]),
  "wl.mailspike.net": some([17, 18, 19, 20]),
  "list.dnswl.org": ["127.0.5.0", "127.0.9.1", "127.0.9.2", "127.0.10.3"],
  "psbl.surriel.com": ["127.0.0.2"],
  "dbl.spamhaus.org": some([2, 4, 5, 102, 103], "127.0.1"),
  "multi.surbl.org": some([8, 16, 64, 80, 128]),
  "multi.uribl.com": some([2, 4, 8, 14]),
  "dob.sibl.support-intelligence.net": ["127.0.0.2"],
  "fresh.fmb.la": some([2, 14, 28], "127.2.0"),
  "lookup.dkimwl.org": ["127.2.3.5", "127.2.2.4", "127.1.3.3", "127.1.0.0"],
};

const SPF = ["v=spf1 +all", "v=spf1 ip4:203.0.113.0/24 -all", "v=spf1 ~all", "v=spf1 ?all", null];
const DMARC = ["none", "quarantine", "reject", null];

/** A zone in which every name has an answer, worked out as it is asked for. */
export function world(): Zone {
  return new Proxy<Zone>({}, { get: (_, name) => entryOf(String(name)) });
}

function entryOf(name: string): ZoneEntry | undefined {
  if (name.startsWith("*")) return undefined;
  if (name === "signed.example.com.lookup.dkimwl.org") return { A: "127.2.2.5" };
  for (const [zone, answers] of Object.entries(LISTS))
    if (name.endsWith(`.${zone}`)) {
      if (sum(name, 2) === 0) return undefined;
      const A = answers[sum(`${name}!`, answers.length)] ?? "";
      return { A, TXT: `listed, see https://${zone}/` };
    }
  if (name.endsWith("._domainkey.signed.example.com")) return { TXT: RECORD };
  const policy = /^_dmarc\.([^.]+\.com|[^.]+\.example\.com)$/.exec(name)?.[1];
  if (policy !== undefined) {
    const p = DMARC[sum(policy, DMARC.length)];
    return p === null || p === undefined ? undefined : { TXT: `v=DMARC1; p=${p}` };
  }
  if (name.startsWith("_") || name.includes("._") || sum(name, 9) === 0) return undefined;
  const spf = SPF[sum(`${name}?`, SPF.length)];
  return {
    A: `198.51.100.${sum(name, 250)}`,
    NS: [`ns1.host${sum(name, 5)}.net`, `ns2.host${sum(name, 5)}.net`],
    MX: `10 mx.${name}`,
    ...(spf !== null && spf !== undefined && { TXT: spf }),
  };
}

const WORDS = ["alpha", "beta", "gamma", "delta", "omega"];

/** Messages as the border's MTA hands them on: its own Received line on top. Lines end in LF. */
export async function messages(count: number): Promise<Buffer[]> {
  const made: Buffer[] = [];
  for (let n = 0; n < count; n++) made.push(await messageOf(n));
  return made;
}

async function messageOf(n: number): Promise<Buffer> {
  const word = (salt: string): string => `${WORDS[sum(salt + String(n), 5)]}${n % 7}`;
  const domain = n % 3 === 0 ? "signed.example.com" : `${word("d")}.com`;
  const from = n % 5 === 4 ? `${word("f")}.com` : domain;
  const bounce = n % 11 === 10;
  const hops = [
    `Received: from mail.${domain} (mail.${domain} [203.0.${n % 2 === 0 ? 113 : 112}.${n}])\n\tby mx.home.example (Postfix) with ESMTP id A${n}\n\tfor <bob@home.example>; Sat, 21 Nov 2026 10:00:05 +0000\n`,
    ...(n % 4 === 1
      ? [
          `Received: from inner.${domain} (inner.${domain} [198.51.100.${n}])\n\tby mail.${domain} (Postfix) with ESMTP id B${n}; Sat, 21 Nov 2026 10:00:03 +0000\n`,
        ]
      : []),
  ];
  const links = Array.from({ length: n % 6 }, (_, i) => `http://www.${word(`l${i}`)}.com/x${i}`);
  const html = n % 2 === 1;
  const text = html
    ? `<html><body><p>Hello ${word("w")}, look at this</p>${links.map((uri) => `<a href="${uri}">see</a>`).join("\n")}<img src="http://203.0.113.${n}/a.png"></body></html>`
    : `Hello ${word("w")}, look at this\n${links.join("\n")}\nmailto:${word("m")}@${word("n")}.com\n`;
  const rest = `From: "Some One" <someone@${from}>\nTo: bob@home.example\nSubject: Hello ${word("s")}\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <${n}@${domain}>\n${n % 5 === 2 ? `Reply-To: other@${word("r")}.com\n` : ""}MIME-Version: 1.0\nContent-Type: text/${html ? "html" : "plain"}; charset=utf-8\n\n${text}\n`;
  const signatures = n % 3 === 0 ? await signed(rest, n) : "";
  const path = bounce ? "<>" : `<someone@${domain}>`;
  return Buffer.from(`Return-Path: ${path}\n${hops.join("")}${signatures}${rest}`);
}

/** Every other one does not fit the message. */
async function signed(rest: string, n: number): Promise<string> {
  const body = oneBuffer(Buffer.from(rest.replaceAll("\n", "\r\n")));
  const domain = "signed.example.com";
  const lines = await dkimSignatures(body, [{ domain, selector: "key", key: KEY }], new Date());
  const text = `${lines.join("\r\n")}\r\n`.replaceAll("\r\n", "\n").replace(/\n\n$/, "\n");
  return n % 2 === 0 ? text : text.replace(/bh=./, "bh=x");
}
