// The engine's side of SpamAssassin's own tests: what sa-tests/SATest.pm and the modules beside it ask, answered as the programs and the
// library would. Texts are octets.
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { colourOf } from "../../../src/spamrules/html/colours.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { resolveUri } from "../../../src/spamrules/html/resolve.ts";
import { matchesAnything, perlPattern } from "../../../src/spamrules/language/perl-pattern.ts";
import { readRules, type RuleTexts } from "../../../src/spamrules/language/read.ts";
import { compileFirstGroup, compilePerl } from "../../../src/spamrules/pattern/translate.ts";
import { prepare, toolsOf, type Prepared } from "../../../src/spamrules/prepare.ts";
import { progressMemory } from "../../../src/spamrules/progress.ts";
import type { Rule } from "../../../src/spamrules/rulebook.ts";
import { scorer, type MessageScorer } from "../../../src/spamrules/score.ts";
import { parseMailDate } from "../../../src/spamrules/received/date.ts";
import { canonical } from "../../../src/spamrules/uri/canonical.ts";
import type { MimePart } from "../../../src/spamrules/subject.ts";
import type { Answer } from "../../../src/spamrules/engine-job.ts";

export interface Question {
  readonly call:
    | "run"
    | "rules"
    | "check"
    | "message"
    | "get"
    | "colour"
    | "page"
    | "pattern"
    | "date"
    | "target"
    | "domain"
    | "spellings";
  /** Of the command line, for "run". */
  readonly args?: string;
  readonly mail?: string;
  readonly site?: string | null;
  readonly rules?: string | null;
  readonly user?: string | null;
  /** All rules, instead of files, and rules behind the files. */
  readonly text?: string | null;
  readonly after?: string | null;
  readonly local?: 0 | 1;
  readonly language?: string;
  readonly field?: string;
  readonly delimited?: 0 | 1;
  readonly uris?: readonly string[];
}

const NO_PROOFS = { spf: null, dkim: null, dmarc: null, arc: null };
const kept = new Map<string, MessageScorer>();

export async function answerTo(question: Question): Promise<unknown> {
  const { call, text, mail = "" } = question;
  if (call === "colour") return colourOf(text ?? "");
  if (call === "pattern") return faultOf(text ?? "", question.delimited === 1);
  if (call === "page") return page(mail);
  if (call === "date") return parseMailDate(text ?? "");
  if (call === "target") return resolveUri(question.uris?.[0] ?? "", question.uris?.[1] ?? "");
  if (call === "run") return await programRun(question);
  const engine = await engineFor(question, question.local !== 0);
  if (call === "rules") return about(engine);
  if (call === "check") return await checked(engine, mail);
  const tools = toolsOf(engine.book.settings, renderHtml);
  const { boundaries } = tools.finder;
  const uris = question.uris ?? [];
  if (call === "domain") return boundaries.ofUri(uris[0] ?? "")?.domain ?? null;
  if (call === "spellings") {
    const redirectors = engine.book.settings.redirectorPatterns
      .map(compileFirstGroup)
      .filter((redirector) => typeof redirector === "function");
    return [...new Set(uris.flatMap((uri) => [...canonical(uri, { redirectors, boundaries })]))];
  }
  const subject = prepare(Buffer.from(mail, "latin1"), { now: Date.now() }, tools);
  return call === "get" ? subject.getAll(question.field ?? "") : facts(subject);
}

async function textsOf({ site, rules, user, text, after }: Question): Promise<RuleTexts> {
  const given = (path: string | null | undefined): string[] =>
    typeof path === "string" ? [path] : [];
  const read: RuleTexts =
    typeof text === "string"
      ? { texts: [{ file: "/config_text", octets: text }], includes: new Map(), problems: [] }
      : await readRules({
          siteDirs: given(site),
          ruleDirs: given(rules),
          userFiles: given(user),
        });
  return typeof after === "string"
    ? { ...read, texts: [...read.texts, { file: "/post_config_text", octets: after }] }
    : read;
}

async function engineFor(question: Question, local: boolean): Promise<MessageScorer> {
  const { texts, includes, problems } = await textsOf(question);
  const language = question.language ?? "en_US";
  const named = [...includes].map(([file, map]) => [file, [...map]] as const);
  const key = createHash("sha1")
    .update(JSON.stringify([texts, named, local, language]))
    .digest("hex");
  let engine = kept.get(key);
  if (engine === undefined) {
    const autolearn = {
      ham: lastNumber(texts, "bayes_auto_learn_threshold_nonspam", 0.1),
      spam: lastNumber(texts, "bayes_auto_learn_threshold_spam", 12),
    };
    const data = { texts, includes: named, problems, local, bayes: false, hostname: hostname() };
    engine = scorer({ ...data, autolearn });
    if (kept.size > 3) kept.clear();
    kept.set(key, engine);
  }
  return engine;
}

/** postern has these in its own configuration. */
function lastNumber(texts: RuleTexts["texts"], name: string, otherwise: number): number {
  const all = texts.map(({ octets }) => octets).join("\n");
  const found = [...all.matchAll(new RegExp(`^\\s*${name}\\s+([\\d.-]+)`, "gm"))].at(-1);
  return Number(found?.[1] ?? otherwise);
}

function scored(engine: MessageScorer, mail: string, also: "mail" | "report"): Promise<Answer> {
  const octets = new Uint8Array(Buffer.from(mail, "latin1")).buffer;
  return engine.score(
    {
      kind: "score",
      octets,
      now: Date.now(),
      proofs: NO_PROOFS,
      wanted: { also, subrules: true },
      deadlineMs: 60_000,
      progress: progressMemory(),
    },
    () => undefined,
  );
}

/** As the program `spamassassin` would end. */
async function programRun(
  question: Question,
): Promise<{ stdout: string; stderr: string; status: number }> {
  const args = question.args ?? "";
  const after = [...args.matchAll(/--cf[= ](?:'([^']*)'|"([^"]*)"|(\S+))/g)]
    .map(([, a, b, c]) => a ?? b ?? c ?? "")
    .join("\n");
  const local = /(?:^|\s)(?:-L|--local)\b/.test(args) || /--lint(?!.*--net)/.test(args);
  const engine = await engineFor({ ...question, after: after === "" ? null : after }, local);
  // What SpamAssassin would complain of too: not what this engine alone cannot do.
  const problems = engine.book.problems.filter(({ mild }) => mild !== true);
  const stderr = problems
    .map(({ file, line, message }) => `config: ${message} in ${file}, line ${line}\n`)
    .join("");
  if (/--lint\b/.test(args)) return { stdout: "", stderr, status: problems.length > 0 ? 1 : 0 };
  const mail = question.mail ?? "";
  const answer = await scored(engine, mail, "mail");
  let stdout = textOf(answer.mail);
  if (/(?:^|\s)-t\b/.test(args)) stdout += (await scored(engine, mail, "report")).report ?? "";
  // Of all that -D tells, only this.
  const tags = [...answer.tags].map(([tag, value]) => `tag ${tag} is now ready, value: ${value}\n`);
  const debug = /(?:^|\s)-D\b/.test(args) ? tags.join("") : "";
  return { stdout, stderr: stderr + debug, status: 0 };
}

const textOf = (mail: Uint8Array | null): string => Buffer.from(mail ?? []).toString("latin1");

function about({ book, about: { problems } }: MessageScorer): unknown {
  const { requiredScore, bodyPartScanSize, rawbodyPartScanSize } = book.settings;
  return {
    scores: Object.fromEntries([...book.rules.values()].map(({ name, scores }) => [name, scores])),
    kinds: [...book.rules.values()].map((rule) => [
      rule.name,
      rule.priority,
      kindOf(rule),
      fieldOf(rule),
    ]),
    problems,
    examples: book.settings.others.get("test") ?? [],
    settings: {
      required_score: requiredScore,
      body_part_scan_size: bodyPartScanSize,
      rawbody_part_scan_size: rawbodyPartScanSize,
    },
  };
}

/** What it looks at, or the eval function. */
function fieldOf({ definition }: Rule): string {
  if (definition.type === "eval") return definition.function;
  return "field" in definition ? definition.field.name : definition.type;
}

/** The table in which SpamAssassin keeps such a rule. */
function kindOf({ definition }: Rule): string {
  if (definition.type === "eval")
    return definition.on === "header" ? "head_evals" : `${definition.on}_evals`;
  if (definition.type === "header" || definition.type === "exists") return "head_tests";
  return `${definition.type}_tests`;
}

async function checked(engine: MessageScorer, octets: string): Promise<unknown> {
  const { names, hits, total, mail } = await scored(engine, octets, "mail");
  const subrules = hits.filter(({ rule }) => rule.startsWith("__"));
  const { report } = await scored(engine, octets, "report");
  return { names, subrules: subrules.map(({ rule }) => rule), total, mail: textOf(mail), report };
}

function facts(subject: Prepared): unknown {
  const { pristineBody, pristineHeaders, body, rawbody, uris, uriDetails, root, parts } = subject;
  return {
    pristine_body: pristineBody,
    pristine_headers: pristineHeaders,
    body,
    rawbody,
    uris,
    details: Object.fromEntries(
      [...uriDetails].map(([uri, { cleaned, types, hosts, anchorTexts }]) => [
        uri,
        {
          cleaned,
          types: Object.fromEntries([...types].map((type) => [type, 1])),
          hosts: Object.fromEntries(hosts),
          anchor_text: anchorTexts,
        },
      ]),
    ),
    // The list of types that Message::content_summary gives: a line for each child of the root.
    summary: [root.type, ...root.children.map(typesUnder)],
    parts: parts.map(({ type, leaf, decoded, rendered }) => ({
      type,
      leaf,
      decoded,
      rendered: rendered?.text ?? null,
    })),
  };
}

const typesUnder = ({ type, children }: MimePart): string =>
  [type, ...children.map(typesUnder)].join(",");

function page(octets: string): unknown {
  const source = { decodedLength: octets.length, wide: false };
  const { visible, invisible, metrics } = renderHtml(octets, source);
  return { visible, invisible, facts: Object.fromEntries(metrics) };
}

/** Why a pattern is none, or matches anything; null when it is one. */
function faultOf(text: string, delimited: boolean): string | null {
  const read = perlPattern(delimited ? text : `/${text.replaceAll("/", "\\/")}/`);
  if (typeof read === "string") return read;
  const made = compilePerl(read);
  return made instanceof RegExp ? matchesAnything(read) : made.failed;
}
