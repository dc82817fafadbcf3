// What other rules would have decided about recorded mail: access lists and banned.rules are asked again with the recorded facts, all
// other findings stay as they were, scores and policy are the new ones. Used by `postern rules diff`.
import { checksOf, symbolTable } from "./checks/index.ts";
import { parseAddress, type Address } from "./mail/address.ts";
import type { Attribute } from "./mail/attributes.ts";
import { UNKNOWN_CLIENT, type Message, type Part } from "./mail/message.ts";
import type { RuleSet } from "./ruleset/compile.ts";
import type { HistoryRecipient, HistoryRow } from "./state/history-row.ts";
import type { Check } from "./verdict/check.ts";
import { decide, findingsOf } from "./verdict/decide.ts";
import { scoreName, type Finding } from "./verdict/finding.ts";
import { STOPS, type Disposition } from "./verdict/policy.ts";

export interface Replayed {
  readonly recipient: HistoryRecipient;
  /** "reject, a copy kept"; as recorded and as the new rules have it. */
  readonly before: string;
  readonly after: string;
  readonly category: string;
  readonly rule: string | null;
  /** The message goes on now, and these checks were never asked about it: they might stop it. */
  readonly unasked: readonly string[];
}

export interface Replayer {
  /** One entry per recorded recipient whose address can be read. */
  replay(row: HistoryRow): Promise<readonly Replayed[]>;
}

/** Checks that need nothing but recorded facts. */
const AGAIN = ["access", "proven", "banned"];

/** `current`: the rules that the mail was judged by, or those that run now; tells which points were the operator's. */
export function replayer(next: RuleSet, current: RuleSet): Replayer {
  const checks = checksOf(next).filter(({ name }) => AGAIN.includes(name));
  const defaults = new Map(symbolTable().map(({ symbol, score }) => [symbol, score]));
  const points = (finding: Finding): Finding => {
    const name = scoreName(finding);
    const given = next.scoreOf(name);
    if (given !== undefined) return { ...finding, score: given };
    const was = current.scoreOf(name);
    const standard = finding.foreign === undefined ? defaults.get(finding.symbol) : undefined;
    return was === finding.score && standard !== undefined
      ? { ...finding, score: standard }
      : finding;
  };
  return {
    async replay(row) {
      const findings = (await asked(row, checks)).map(points);
      return row.recipients.flatMap((recipient) => {
        const address = parseAddress(recipient.address);
        return address === null ? [] : [verdictOf(row, recipient, address, findings, next)];
      });
    },
  };
}

function verdictOf(
  row: HistoryRow,
  recipient: HistoryRecipient,
  address: Address,
  findings: readonly Finding[],
  next: RuleSet,
): Replayed {
  const direction = recipient.local ? "inbound" : "outbound";
  const policy = next.policyOf(address, { mode: row.mode, direction });
  const verdict = decide(findingsOf(address.raw, findings), policy);
  const goesOn = STOPS[recipient.disposition as Disposition] && !STOPS[verdict.disposition];
  const unasked = ["banned", "virus", "spam"].filter((name) => row.checks[name] === undefined);
  return {
    recipient,
    before: wordsOf(recipient),
    after: wordsOf(verdict),
    category: verdict.category,
    rule: verdict.rule,
    unasked: goesOn ? unasked : [],
  };
}

function wordsOf(of: {
  readonly disposition: string;
  readonly quarantine: boolean;
  readonly folder: string | null;
}): string {
  const folder = of.folder === null ? "" : `, folder ${of.folder}`;
  return `${of.disposition}${folder}${of.quarantine ? ", a copy kept" : ""}`;
}

/** The recorded findings, with those of AGAIN made anew. */
async function asked(row: HistoryRow, checks: readonly Check<"message">[]): Promise<Finding[]> {
  const whole = row.parts !== null && row.moreParts === 0;
  const again = checks.filter(({ name }) => name !== "banned" || whole);
  const keeps = (check: string): boolean =>
    !AGAIN.includes(check) || (check === "banned" && !whole);
  const findings = row.findings.flatMap((finding): Finding[] => {
    if (!keeps(finding.check)) return [];
    const { recipient, ...rest } = finding;
    if (recipient === undefined) return [rest];
    const address = parseAddress(recipient);
    return address === null ? [] : [{ ...rest, recipient: address }];
  });
  const message = messageOf(row);
  for (const check of again) {
    const so = { findings, signal: AbortSignal.timeout(30_000) };
    findings.push(...(await check.run(message, so)));
  }
  return findings;
}

/** As much of the message as the checks of AGAIN look at. */
function messageOf(row: HistoryRow): Message {
  const parts = partsOf(row);
  const [root] = parts;
  return {
    envelope: {
      listener: row.listener,
      peer: "",
      peerPort: 0,
      greeting: "",
      protocol: "ESMTP",
      xforward: new Map(),
      sender: row.sender === null ? null : parseAddress(row.sender),
      senderParams: [],
      recipients: row.recipients.flatMap(({ address: raw }) => {
        const address = parseAddress(raw);
        return address === null ? [] : [{ address, params: [] }];
      }),
      startedAt: new Date(row.time),
      id: row.id,
      mailId: row.mailId,
      client: { ...UNKNOWN_CLIENT, ...row.client },
      mode: row.mode,
      origin: row.origin,
    },
    header: {
      size: 0,
      fields: row.header.map(([name, value]) => ({
        name,
        value: value ?? "",
        raw: Buffer.alloc(0),
      })),
    },
    body: { size: 0, bytes: [], open: async function* () {} },
    tree: () =>
      root === undefined
        ? Promise.reject(new Error("no part was recorded"))
        : Promise.resolve({ root, parts, overLimit: null, unread: null, payloads: [] }),
  };
}

function partsOf(row: HistoryRow): Part[] {
  const parts: (Part & { children: Part[] })[] = [];
  for (const kept of row.parts ?? []) {
    const parent = parts[kept.parent] ?? null;
    const part: Part & { children: Part[] } = {
      path: kept.path,
      parent,
      children: [],
      type: kept.type,
      disposition: null,
      names: kept.names,
      kinds: kept.kinds,
      size: kept.size,
      sha256: kept.sha256,
      marks: [],
      encrypted: kept.encrypted === true,
      attributes: (kept.attributes ?? []) as readonly Attribute[],
      reading: null,
      defects: [],
    };
    parent?.children.push(part);
    parts.push(part);
  }
  return parts;
}
