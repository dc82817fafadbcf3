// Runs html.pl beside: what the real HTML::Parser and SpamAssassin's own renderer make of the same octets; and the same of ours.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { attributesOf } from "../../../src/spamrules/html/attributes.ts";
import { decodeEntities } from "../../../src/spamrules/html/entities.ts";
import type { HtmlFacts } from "../../../src/spamrules/html/facts.ts";
import { isHigh } from "../../../src/spamrules/html/octets.ts";
import { HtmlTokens } from "../../../src/spamrules/html/tokens.ts";

export interface Job {
  readonly octets: string;
  readonly wide: boolean;
}

type Held = [string, boolean];

export interface Answer {
  readonly events: unknown[];
  readonly rendered: {
    readonly died: number;
    readonly text: Held;
    readonly visible: Held;
    readonly invisible: Held;
    readonly metrics: Readonly<Record<string, number>>;
    readonly inside: Readonly<Record<string, number>>;
    readonly title: string[];
    readonly anchor: string[];
    readonly comment: string[];
    readonly script: string[];
    readonly links: Readonly<Record<string, { types: string[]; texts: string[] }>>;
  };
}

/** Answers in the order of the jobs. */
export async function askPerl(jobs: readonly Job[]): Promise<Answer[]> {
  const perl = spawn("perl", [new URL("html.pl", import.meta.url).pathname], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PERL_HASH_SEED: "1" },
  });
  // One that ends early gives too few answers.
  perl.stdin.on("error", () => undefined);
  const answers: Answer[] = [];
  perl.stdout.setEncoding("latin1");
  const lines = createInterface({ input: perl.stdout, crlfDelay: Infinity });
  const done = (async () => {
    for await (const line of lines) answers.push(JSON.parse(line) as Answer);
  })();
  for (const job of jobs) {
    const line = JSON.stringify(job).replace(
      /[\x7f-\xff]/g,
      (high) => `\\u00${high.charCodeAt(0).toString(16)}`,
    );
    if (!perl.stdin.write(`${line}\n`) && !perl.stdin.destroyed)
      await Promise.race([once(perl.stdin, "drain"), done]);
  }
  perl.stdin.end();
  await done;
  return answers;
}

/** Events in html.pl's form. */
export function ourEvents({ octets, wide }: Job): unknown[] {
  const seen: unknown[] = [];
  const held = (text: { octets: string; wide: boolean }): Held => [text.octets, text.wide];
  const parser = new HtmlTokens({
    start: (name, all, tokens) => {
      const attributes = [...attributesOf(all, tokens, wide)];
      seen.push(["start", name, Object.fromEntries(attributes.map(([k, v]) => [k, held(v)]))]);
    },
    end: (name) => seen.push(["end", name]),
    text: (raw, isLiteral) =>
      seen.push([
        "text",
        held(isLiteral ? { octets: raw, wide } : decodeEntities(raw, wide, true)),
      ]),
    comment: (text) => seen.push(["comment", text]),
    declaration: (text) => seen.push(["declaration", text]),
    finish: () => seen.push(["finish"]),
  });
  parser.parse(octets);
  parser.finish();
  return seen;
}

/** Differences between our facts and Perl's, in words; none when they agree. */
export function differences(facts: HtmlFacts, { rendered }: Answer): string[] {
  const found: string[] = [];
  const compare = (what: string, ours: unknown, theirs: unknown): void => {
    if (!isDeepStrictEqual(ours, theirs)) {
      found.push(`${what}: ${JSON.stringify(ours)} instead of ${JSON.stringify(theirs)}`);
    }
  };
  for (const name of ["text", "visible", "invisible"] as const) {
    const [octets, wide] = rendered[name];
    compare(name, facts[name], octets);
    compare(`narrow ${name}`, facts.narrow.has(name), !wide && isHigh(octets));
  }
  const names = new Set([...facts.metrics.keys(), ...Object.keys(rendered.metrics)]);
  for (const name of names) {
    const ours = facts.metrics.get(name);
    const theirs = rendered.metrics[name];
    const isNear = ours !== undefined && theirs !== undefined && Math.abs(ours - theirs) < 1e-9;
    if (!isNear && ours !== theirs) found.push(`${name}: ${ours} instead of ${theirs}`);
  }
  compare("inside", sorted(Object.fromEntries(facts.inside)), sorted(rendered.inside));
  compare("titles", facts.titles, rendered.title);
  compare("anchors", facts.anchors, rendered.anchor);
  compare("comments", facts.comments, rendered.comment);
  compare("scripts", facts.scripts, rendered.script);
  const links = facts.links.map(
    ({ uri, types, anchorTexts }) =>
      [uri, { types: [...types].sort(), texts: anchorTexts }] as const,
  );
  compare("links", sorted(Object.fromEntries(links)), sorted(rendered.links));
  return found;
}

function sorted(record: Readonly<Record<string, unknown>>): unknown {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
