// Rule files that are none: nothing throws, nothing takes longer than its length deserves.
import fc from "fast-check";
import { expect, it } from "vitest";
import { bookOf } from "./book.ts";

const PIECES =
  `header body rawbody full uri meta mimeheader uri_detail askdns score tflags describe priority if ifplugin else endif include
  lang en de replace_rules replace_tag replace_inter shortcircuit trusted_networks whitelist_from unwhitelist_from enlist_addrlist (L)
  add_header all rewrite_header subject eval:check_for_mime('x') eval:f( exists:A =~ !~ /a/i m{b} /(?<T>a)/ %{T} <A> A B X_1 __Y T_Z && || ! (
  ) + - * / ? : > == 1 0.5 (1) 10/8 !1.2.3.4 :: 4.0 version can( plugin( has( [if-unset: x] # \\# \\ " ' nice multiple maxhits=2 net
  rules_matching(*) local_tests_only`.split(/\s+/);
const soup = fc
  .array(
    fc.array(
      fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...PIECES) }, fc.string({ maxLength: 5 })),
      {
        maxLength: 8,
      },
    ),
    { maxLength: 40 },
  )
  .map((lines) => lines.map((words) => words.join(" ")).join("\n"));

it("never throws, and every rule and problem stands somewhere", () => {
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: "binary", maxLength: 300 })), (text) => {
      const { rules, problems } = bookOf(text);
      for (const rule of rules.values()) {
        expect(rule.line).toBeGreaterThan(0);
        expect(rule.scores.every(Number.isFinite)).toBe(true);
        expect(Number.isFinite(rule.priority)).toBe(true);
      }
      for (const { line, message } of problems) {
        expect(line).toBeGreaterThan(0);
        expect(message).not.toBe("");
      }
    }),
    { numRuns: 1500 },
  );
});

const LONG: Readonly<Record<string, (n: number) => string>> = {
  "one line of text": (n) => "x".repeat(n),
  "white space": (n) => `body A ${" ".repeat(n)}/x/`,
  "empty lines": (n) => "\n".repeat(n),
  hashes: (n) => "\\#".repeat(n / 2),
  "many rules": (n) => "body A /x/\n".repeat(n / 10),
  "rules by other names": (n) =>
    Array.from({ length: n / 12 }, (_, i) => `body A${i} /x/`).join("\n"),
  conditions: (n) => "if 1\n".repeat(n / 5),
  "other conditions": (n) => Array.from({ length: n / 8 }, (_, i) => `if ${i}`).join("\n"),
  else: (n) => "if 0\n" + "else\n".repeat(n / 5),
  "a long meta": (n) => `meta A ${"B || ".repeat(n / 5)}C`,
  parentheses: (n) => `meta A ${"(".repeat(n)}`,
  signs: (n) => `meta A ${"! ".repeat(n / 2)}B`,
  "a chain of metas": (n) =>
    Array.from({ length: n / 16 }, (_, i) => `meta M${i} M${i + 1}`).join("\n"),
  "a long pattern": (n) => `body A /${"a".repeat(n)}/`,
  "if-unset in white space": (n) =>
    `header A B =~ /x/${" [if-unset:".repeat(Math.min(n, 60_000) / 11)}]`,
  "an open pattern": (n) => `body A /${"a".repeat(n)}`,
  uri_detail: (n) => `uri_detail A ${"text =~ /".repeat(n / 9)}`,
  arguments: (n) => `header A eval:check_for_mime(${"'x',".repeat(n / 4)}`,
  "open quotes": (n) => `header A eval:check_for_mime(${"'".repeat(n)})`,
  "tags in tags": (n) => `replace_rules A\nreplace_tag T ${"<T>".repeat(n / 3)}\nbody A /<T>/`,
  addresses: (n) => `whitelist_from ${"a@b ".repeat(n / 4)}`,
  networks: (n) =>
    Array.from(
      { length: n / 30 },
      (_, i) => `trusted_networks 10.${i % 250}.${i % 7}.${i % 251}/32`,
    ).join("\n"),
  headers: (n) =>
    Array.from({ length: n / 40 }, (_, i) => `add_header all X${i % 100} ${"y".repeat(20)}`).join(
      "\n",
    ),
  reports: (n) => "report line\n".repeat(n / 12),
};

it.each(Object.entries(LONG))("takes time in proportion: %s", (_name, make) => {
  const cpu = (n: number): number => {
    const text = make(n);
    let least = Infinity;
    for (let i = 0; i < 3; i++) {
      const start = process.cpuUsage();
      bookOf(text);
      const { user, system } = process.cpuUsage(start);
      least = Math.min(least, (user + system) / 1000);
    }
    return least;
  };
  // Sixteen times the length: 16 times the work is fair, 256 times would be quadratic.
  const small = cpu(16_000);
  expect(cpu(256_000)).toBeLessThan(Math.max(small, 8) * 64);
});
