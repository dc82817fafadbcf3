// `postern scan`: judges files, directories or standard input without delivering anything, and says why. With --json one line
// per message, in the order in which the files are named (directories sorted). Exit code 3 when any message is stopped.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { oneBuffer } from "../engine/report.ts";
import { benchOf, surroundings } from "../judging.ts";
import { configuredDns } from "../lookups.ts";
import { canonicalIp } from "../mail/ip.ts";
import type { Part } from "../mail/message.ts";
import { readRules } from "../ruleset/source.ts";
import { RulesError } from "../rules-live.ts";
import { scoring } from "../scoring.ts";
import { readSpamRules } from "../spam-rules.ts";
import type { Finding } from "../verdict/finding.ts";
import { STOPS } from "../verdict/policy.ts";
import { dryJudge, withCrlf, type DryFacts, type DryJudged } from "./dry-judge.ts";
import { parseCommand, UsageError, type Parsed } from "./options.ts";
import { progress } from "./progress.ts";

const MAX_FILES = 1_000_000;

export async function scan(args: readonly string[]): Promise<number> {
  const parsed = parseCommand(args, {
    json: { type: "boolean" },
    client: { type: "string" },
    name: { type: "string" },
    helo: { type: "string" },
    from: { type: "string" },
    rcpt: { type: "string", multiple: true },
    mode: { type: "string" },
    origin: { type: "string" },
  });
  const { config, positionals, values } = parsed;
  if (positionals.length === 0)
    throw new UsageError("scan needs a FILE, a DIRECTORY, or - for standard input");
  const facts = factsOf(parsed);
  const source = await readRules(config.server.rules_dir);
  if ("errors" in source) throw new RulesError(source.errors);
  // Of the services only the scorer is asked: it learns nothing by it that it would not from the mail itself.
  const dns = configuredDns(config, null);
  const scorer = scoring(config, await readSpamRules(config, source.ok), null, null, dns);
  const bench = benchOf(source.ok, config, scorer.means === null ? {} : { spam: scorer.means });
  const around = surroundings(config);
  const files = await filesOf(positionals);
  const bar = progress("scan", files.length);
  let stopped = false;
  let failed = false;
  for (const [i, file] of files.entries()) {
    let octets: Buffer;
    try {
      octets = file === "-" ? await standardInput() : await readFile(file);
    } catch (error) {
      process.stderr.write(`postern: ${file}: ${(error as Error).message}\n`);
      failed = true;
      continue;
    }
    const body = oneBuffer(withCrlf(octets));
    const judged = await dryJudge(body, facts, bench, around, config);
    stopped ||= judged.judgement.judged.some(({ verdict }) => STOPS[verdict.disposition]);
    const report = await reportOf(file, judged);
    await print(values["json"] === true ? `${JSON.stringify(report)}\n` : textOf(report));
    bar.step(i + 1);
  }
  bar.end();
  await scorer.close();
  dns?.close();
  return failed ? 1 : stopped ? 3 : 0;
}

/** Waits for the reader of a pipe. */
async function print(text: string): Promise<void> {
  if (!process.stdout.write(text))
    await new Promise<void>((resolve) => process.stdout.once("drain", () => resolve()));
}

function factsOf({ config, values }: Parsed): DryFacts {
  const text = (name: string): string | null =>
    typeof values[name] === "string" ? values[name] : null;
  const mode = text("mode") ?? "after-queue";
  const origin = text("origin") ?? "auto";
  if (mode !== "after-queue" && mode !== "before-queue")
    throw new UsageError('--mode is "after-queue" or "before-queue"');
  if (origin !== "inbound" && origin !== "outbound" && origin !== "auto") {
    throw new UsageError('--origin is "inbound", "outbound" or "auto"');
  }
  const client = text("client");
  const address = client === null ? null : canonicalIp(client);
  if (client !== null && address === null)
    throw new UsageError(`--client ${client} is no IP address`);
  const from = text("from");
  const recipients = Array.isArray(values["rcpt"]) ? values["rcpt"].map(String) : [];
  const domain = config.delivery.domains[0] ?? "localhost";
  return {
    client: { address, name: text("name"), helo: text("helo") },
    sender: from === null || from === "" || from === "<>" ? null : from,
    recipients: recipients.length > 0 ? recipients : [`user@${domain}`],
    mode,
    origin,
  };
}

async function filesOf(names: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  const walk = async (name: string): Promise<void> => {
    if (files.length >= MAX_FILES) throw new Error(`more than ${MAX_FILES} files`);
    if (name === "-" || !(await isDirectory(name))) {
      files.push(name);
      return;
    }
    for (const entry of (await readdir(name)).sort()) await walk(join(name, entry));
  };
  for (const name of names) await walk(name);
  return files;
}

async function isDirectory(name: string): Promise<boolean> {
  return (await stat(name).catch(() => null))?.isDirectory() ?? false;
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

interface ScanReport {
  readonly file: string;
  readonly id: string;
  readonly size: number;
  readonly recipients: readonly {
    readonly address: string;
    readonly disposition: string;
    readonly quarantine: boolean;
    readonly folder: string | null;
    readonly category: string;
    readonly score: number;
    readonly because: string | null;
    readonly rule: string | null;
  }[];
  readonly findings: readonly object[];
  readonly parts: readonly object[];
  readonly timings: Readonly<Record<string, number>>;
}

async function reportOf(file: string, { message, judgement }: DryJudged): Promise<ScanReport> {
  const tree = await message.tree();
  return {
    file,
    id: message.envelope.mailId,
    size: message.body.size,
    recipients: judgement.judged.map(({ recipient, verdict }) => ({
      address: recipient.address.raw,
      disposition: verdict.disposition,
      quarantine: verdict.quarantine,
      folder: verdict.folder,
      category: verdict.category,
      score: verdict.score,
      because: verdict.because?.symbol ?? null,
      rule: verdict.rule,
    })),
    findings: judgement.findings.map(findingOf),
    parts: tree.parts.map(partOf),
    timings: Object.fromEntries(
      [...judgement.timings].map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]),
    ),
  };
}

function findingOf({ check, symbol, category, score, detail, recipient, rule }: Finding): object {
  return {
    check,
    symbol,
    category,
    score,
    detail,
    ...(recipient === undefined ? {} : { recipient: recipient.raw }),
    ...(rule === undefined ? {} : { rule }),
  };
}

/** A part in reports: marks only where there are some. */
type PartReport = Pick<Part, "path" | "type" | "kinds" | "names" | "size" | "sha256"> &
  Partial<Pick<Part, "encrypted" | "attributes" | "reading" | "defects">>;

function partOf(part: Part): PartReport {
  const { path, type, kinds, names, size, sha256, encrypted, attributes, reading, defects } = part;
  return {
    path,
    type,
    kinds,
    names,
    size,
    sha256,
    ...(encrypted ? { encrypted } : {}),
    ...(attributes.length > 0 ? { attributes } : {}),
    ...(reading !== null ? { reading } : {}),
    ...(defects.length > 0 ? { defects } : {}),
  };
}

/** For a person: one block per message; nothing from the message reaches the terminal unescaped. */
function textOf(report: ScanReport): string {
  const lines = [`${report.file}: ${report.size} octets, id ${report.id}`];
  for (const r of report.recipients) {
    const kept = r.quarantine ? ", a copy kept" : "";
    const folder = r.folder === null ? "" : `, folder ${r.folder}`;
    const why =
      r.because === null ? "" : ` because of ${r.because}${r.rule === null ? "" : ` (${r.rule})`}`;
    lines.push(
      `  <${r.address}> ${r.disposition}${folder}${kept}: ${r.category}, score ${r.score}${why}`,
    );
  }
  for (const finding of report.findings as Finding[]) {
    lines.push(
      `  ${finding.symbol} ${finding.category} ${finding.score} ${finding.detail}${finding.rule === undefined ? "" : ` (${finding.rule})`}`,
    );
  }
  for (const part of report.parts as PartReport[]) {
    lines.push(
      `  part ${part.path} ${part.type} [${part.kinds.join(",")}] ${part.size} octets ${part.names.join(" | ")}`,
    );
    const marks = [
      ...(part.encrypted ? ["encrypted"] : []),
      ...(part.attributes ?? []),
      ...(part.reading === undefined ? [] : [`read by ${part.reading}`]),
    ];
    if (marks.length > 0) lines.push(`    ${marks.join(", ")}`);
    for (const defect of part.defects ?? [])
      lines.push(`    ${defect.class}: ${defect.kind} ${defect.detail}`);
  }
  const spent = Object.entries(report.timings).map(([name, ms]) => `${name} ${ms} ms`);
  lines.push(`  ${spent.join(", ")}`);
  return `${lines.map((line) => line.trimEnd().replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "?")).join("\n")}\n`;
}
