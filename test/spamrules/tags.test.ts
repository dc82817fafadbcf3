// _TAGS_ of templates that ask for fields.
import { expect, it } from "vitest";
import type { Subject } from "../../src/spamrules/subject.ts";
import { fieldText } from "../../src/spamrules/tags.ts";

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
