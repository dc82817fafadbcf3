// Our tokeniser and renderer beside HTML::Parser and Mail::SpamAssassin::HTML: tag soup, and with SA_MESSAGES (a directory) every HTML part of
// the messages there. Needs Perl with SpamAssassin.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { have } from "../lab/peers.ts";
import { soup } from "../../spamrules/html/soup.ts";
import { type Answer, askPerl, differences, type Job, ourEvents } from "./perl-html.ts";

/** Perl's own order of attributes is another in each process, and these metrics are not the renderer's. */
const NOT_COMPARED = /^(?:html_length|non_space_len|ratio):/;
/** Two attributes that stand for one: the last in Perl's order of the day counts. */
const AMBIGUOUS = /\/(?:href|src)/i;

describe.runIf(have("spamd")).each([
  { name: "short", seeds: 4000, from: 1, length: 12 },
  { name: "longer", seeds: 1000, from: 100_000, length: 60 },
  { name: "long", seeds: 100, from: 200_000, length: 500 },
])("$name soup", ({ seeds, from, length }) => {
  it("is cut and rendered alike", async () => {
    const jobs = Array.from({ length: seeds }, (_, at): Job => {
      const wide = at % 3 !== 0;
      return { octets: soup(from + at, length, wide), wide };
    });
    const answers = await askPerl(jobs);
    expect(answers.length).toBe(jobs.length);
    const found: string[] = [];
    for (const [at, job] of jobs.entries()) {
      const answer = answers[at];
      if (answer === undefined) continue;
      if (!isDeepStrictEqual(ourEvents(job), answer.events)) found.push(`${from + at}: events`);
      const facts = renderHtml(job.octets, { decodedLength: job.octets.length, wide: job.wide });
      const isSure = (difference: string): boolean =>
        !NOT_COMPARED.test(difference) &&
        !(difference.startsWith("links:") && AMBIGUOUS.test(job.octets));
      for (const difference of differences(facts, answer).filter(isSure)) {
        found.push(`${from + at}: ${difference}`);
      }
    }
    expect(found.slice(0, 10)).toEqual([]);
  });
});

const MESSAGES = process.env["SA_MESSAGES"];

interface PartAnswer extends Answer {
  readonly file: string;
  readonly octets: string;
  readonly wide: boolean;
  readonly decoded: number;
}

// Nothing is skipped where nobody asked for it.
const withMessages = MESSAGES === undefined ? () => undefined : describe.runIf(have("spamd"));
withMessages("HTML parts of real messages", () => {
  it("are cut and rendered alike", () => {
    const directory = MESSAGES ?? "";
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const script = new URL("html.pl", import.meta.url).pathname;
    const { stdout } = spawnSync("perl", [script, ...files], {
      encoding: "latin1",
      maxBuffer: 1 << 30,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const parts = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as PartAnswer);
    expect(parts.length).toBeGreaterThan(0);
    const found: string[] = [];
    for (const part of parts) {
      if (!isDeepStrictEqual(ourEvents(part), part.events)) found.push(`${part.file}: events`);
      const facts = renderHtml(part.octets, { decodedLength: part.decoded, wide: part.wide });
      for (const difference of differences(facts, part)) found.push(`${part.file}: ${difference}`);
    }
    expect(found.slice(0, 10)).toEqual([]);
    console.log(`${parts.length} HTML parts of ${files.length} files`);
  });
});
