// Bayes beside the real one: the same tokens, the same ids of messages, the same chances after the same lessons, and so the same errors.
// SA_CORPUS names a directory with ham/ and spam/; without it messages made here are taken.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chanceOf } from "../../../src/spamrules/bayes/chance.ts";
import { lessonReader } from "../../../src/spamrules/bayes/lesson.ts";
import { messageIds } from "../../../src/spamrules/bayes/message-ids.ts";
import { tokensOf } from "../../../src/spamrules/bayes/tokens.ts";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import { loadRules } from "../../../src/spamrules/language/load.ts";
import { prepare, toolsOf, type Tools } from "../../../src/spamrules/prepare.ts";
import type { RuleBook } from "../../../src/spamrules/rulebook.ts";
import { prepareStore, sqliteStore } from "../../../src/state/sqlite.ts";
import { lessonKey, type Label } from "../../../src/state/token-store.ts";
import { have } from "../lab/peers.ts";

const ORACLE = join(import.meta.dirname, "bayes.pl");
const dir = mkdtempSync(join(tmpdir(), "postern-bayes-"));
afterAll(() => rmSync(dir, { recursive: true }));

interface Sample {
  readonly file: string;
  readonly label: Label;
}

/** Half of them differ from the other half in few words, so that chances between 0 and 1 occur. */
function made(): Sample[] {
  const words = (label: Label, n: number): string => {
    const common = [
      "meeting",
      "Report",
      "naïve",
      "http://www.example.org/a?b=c",
      "x@mail.example.com",
    ];
    const own =
      label === "spam" ? ["pills", "CHEAP!", "$1,000"] : ["minutes", "agenda", "Ticket-17"];
    return Array.from({ length: 30 }, (_, i) =>
      (n + i) % 7 === 0 ? own[(n + i) % 3] : `${common[(n * i) % 5] ?? ""}${(n * 7 + i) % 23}`,
    ).join(" ");
  };
  return Array.from({ length: 500 }, (_, n): Sample => {
    const label = n % 2 === 0 ? "spam" : "ham";
    const file = join(dir, `${n}.eml`);
    const html = n % 3 === 0;
    const body = html
      ? `<html><body>${words(label, n)}<p style="display:none">hidden ${n % 11}</p></body></html>`
      : words(label, n);
    writeFileSync(
      file,
      `Received: from mail${n % 9}.example.net (mail.example.net [192.0.2.${n % 200}])\n\tby mx.example.org (Postfix) with ESMTP id ABCDEF${100 + n}\n\tfor <bob@example.org>; Fri, 20 Nov 2026 10:00:00 +0000 (UTC)\nFrom: "Someone ${n % 13}" <a${n % 13}@sub.example.com>\nTo: bob@example.org\nMessage-ID: <${n}.abc@example.com>\nX-Mailer: Thing ${n % 4}\nContent-Type: text/${html ? "html" : "plain"}; charset=utf-8\nDate: Fri, 20 Nov 2026 10:00:00 +0000\nSubject: ${words(label, n).slice(0, 40)}\n\n${body}\n`,
    );
    return { file, label };
  });
}

function samples(): Sample[] {
  const corpus = process.env["SA_CORPUS"];
  if (corpus === undefined) return made();
  return (["ham", "spam"] as const).flatMap((label) =>
    readdirSync(join(corpus, label))
      .sort()
      .map((name) => ({ file: join(corpus, label, name), label })),
  );
}

function oracle<T>(args: readonly string[], input = ""): T[] {
  const ran = spawnSync("perl", [ORACLE, ...args], {
    input,
    encoding: "latin1",
    maxBuffer: 2 ** 30,
  });
  expect(ran.status, ran.stderr).toBe(0);
  return ran.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

interface Told {
  readonly file: string;
  readonly ids: readonly string[];
  readonly learned: readonly string[];
  readonly looked_up: readonly string[];
}

describe.skipIf(!have("spamd"))("Bayes beside SpamAssassin's", () => {
  let all: Sample[] = [];
  let book: RuleBook;
  let tools: Tools;
  beforeAll(async () => {
    all = samples();
    book = await loadRules({
      siteDirs: ["/etc/spamassassin"],
      ruleDirs: ["/usr/share/spamassassin"],
      local: true,
    });
    tools = toolsOf(book.settings, renderHtml);
  });

  it("cuts messages into the same tokens", () => {
    const told = oracle<Told>(["tokens", "-"], all.map(({ file }) => `${file}\n`).join(""));
    let [same, tokens, differ] = [0, 0, 0];
    for (const { file, ids, learned, looked_up: up } of told) {
      const subject = prepare(readFileSync(file), { now: Date.now() }, tools);
      expect(messageIds(subject)).toEqual(ids);
      let equal = true;
      for (const [theirs, purpose] of [
        [learned, "learn"],
        [up, "scan"],
      ] as const) {
        const ours = new Set(tokensOf(subject, book.settings, purpose).map(({ text }) => text));
        const missing = theirs.filter((text) => !ours.has(text)).length;
        const more = ours.size - (theirs.length - missing);
        equal &&= missing + more === 0;
        tokens += theirs.length;
        differ += missing + more;
      }
      if (equal) same++;
    }
    console.log(`same tokens: ${same} of ${told.length} messages, ${differ} of ${tokens} differ`);
    // URIs that Perl holds as characters instead of octets are cut otherwise; and X-Spam-… fields teach us nothing.
    expect(same / told.length).toBeGreaterThan(0.99);
    expect(differ / tokens).toBeLessThan(0.0005);
  });

  it("comes to the same chances after the same lessons", async () => {
    const [learn, score] = [0, 1].map((half) => all.filter((_, n) => (n >> 1) % 2 === half));
    const list = (name: string, some: readonly Sample[] = []): string => {
      const file = join(dir, name);
      writeFileSync(file, some.map((one) => `${one.label[0] ?? ""} ${one.file}\n`).join(""));
      return file;
    };
    const told = oracle<{ file?: string; chance?: number | null }>([
      ...["--cf", "bayes_min_ham_num 50", "--cf", "bayes_min_spam_num 50"],
      "--learn",
      list("learn", learn),
      "--score",
      list("score", score),
    ]);
    prepareStore(join(dir, "state.db"));
    const store = sqliteStore(join(dir, "state.db"), 60_000);
    const read = lessonReader(book);
    for (const { file, label } of learn ?? []) {
      const { ids, tokens, at } = read(readFileSync(file), Date.now());
      const keys = ids.map(lessonKey);
      const lesson = { keys, label, tokens, at, mailbox: "", timid: false, rememberMs: 1e9 };
      await store.tokens.learn(lesson, Date.now());
    }
    const totals = await store.tokens.totals();
    const errors = { ours: 0, theirs: 0 };
    let [farthest, decided] = [0, 0];
    for (const { file, label } of score ?? []) {
      const subject = prepare(readFileSync(file), { now: Date.now() }, tools);
      const ids = tokensOf(subject, book.settings, "scan").map(({ id }) => id);
      const ours = chanceOf(await store.tokens.look(ids), totals)?.probability ?? null;
      const theirs = told.find((one) => one.file === file)?.chance ?? null;
      expect(ours === null, file).toBe(theirs === null);
      if (ours === null || theirs === null) continue;
      decided++;
      farthest = Math.max(farthest, Math.abs(ours - theirs));
      if (ours > 0.5 !== (label === "spam")) errors.ours++;
      if (theirs > 0.5 !== (label === "spam")) errors.theirs++;
    }
    await store.close();
    console.log(
      `${totals.spam} spam and ${totals.ham} ham learned, ${decided} scored: wrong ${errors.ours}, SpamAssassin ${errors.theirs}; chances differ by ${farthest} at most`,
    );
    expect(decided).toBeGreaterThan(100);
    expect(errors.ours).toBe(errors.theirs);
    expect(farthest).toBeLessThan(0.01);
  });
});
