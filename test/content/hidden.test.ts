// Random messages that hide a file: postern finds it, in the usual reading or in another one, or flags the message. Never neither. What
// mailparser shows of damaged messages is held to the same. (100,000 of each, with Python's email: `npm run hidden`.)
import { expect, test } from "vitest";
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { hiddenMail } from "../fakes/hidden-mail.ts";
import { posternSees } from "../oracles/postern.ts";
import { knows, knowsShown } from "../oracles/verdict.ts";

test("a hidden file is found or flagged", () => {
  const count = { found: 0, "found otherwise": 0, flagged: 0, missed: 0 };
  fc.assert(
    fc.property(hiddenMail(false), ({ message, payload }) => {
      const known = knows(posternSees(message), payload);
      count[known]++;
      expect(known).not.toBe("missed");
    }),
    { numRuns: 2_000 },
  );
  // Mere flagging would pass the property: most are found.
  expect(count.found).toBeGreaterThan(200);
  expect(count["found otherwise"]).toBeGreaterThan(200);
  expect(count.flagged).toBeLessThan(1_000);
});

test("what mailparser shows of a damaged message is found or flagged", async () => {
  await fc.assert(
    fc.asyncProperty(hiddenMail(true), async ({ message, payload }) => {
      const seen = posternSees(message);
      const mail = await simpleParser(message, { skipTextToHtml: true, skipHtmlToText: true });
      for (const { content, contentType } of mail.attachments)
        if (!String(contentType).startsWith("message/"))
          expect(knowsShown(seen, content, payload)).not.toBe("missed");
    }),
    { numRuns: 400 },
  );
});
