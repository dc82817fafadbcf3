// _TAGS_ of templates.
import { expect, it } from "vitest";
import type { Subject } from "../../src/spamrules/subject.ts";
import { fieldText, filled, type TagFacts } from "../../src/spamrules/tags.ts";

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Received: ["from a\n", "from b\n"],
  "To:addr": ["a@example.org", "b@example.org"],
  EnvelopeFrom: ["a@example.org\n"],
};
const subject = { getAll: (name: string) => FIELDS[name] ?? [] } as unknown as Subject;

it.each([
  ["Received", "from a\nfrom b\n"],
  ["To:addr", "a@example.org"],
  ["EnvelopeFrom", "a@example.org"],
  ["Subject", ""],
])("_HEADER(%s)_", (name, text) => {
  expect(fieldText(subject, name)).toBe(text);
});

it.each([
  ["disabled", [], "disabled"],
  ["no", ["A"], "no autolearn_force=no"],
  ["ham", [], "ham autolearn_force=no"],
  ["spam", ["A", "B"], "spam autolearn_force=yes (A,B)"],
])("_AUTOLEARN_ when it was %s, by %j", (autolearn, forcing, text) => {
  const facts = { scored: { autolearn }, forcing } as unknown as TagFacts;
  expect(filled("_AUTOLEARN_", facts)).toBe(text);
});
