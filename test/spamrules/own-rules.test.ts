// rules/spam, the small set for machines without SpamAssassin: it compiles without a word, every rule is explained and has points, and
// some letters of our own get what they deserve.
import { beforeAll, describe, expect, it } from "vitest";
import { FROM_A_HOST, FROM_A_LINE, HEADER, smallSet, type SmallSet } from "./own-rules.ts";

let set: SmallSet;
beforeAll(() => {
  set = smallSet();
});
const judged: SmallSet["judged"] = (lines) => set.judged(lines);

describe("rules/spam", () => {
  it("compiles without a word", () =>
    expect([...set.program.book.problems, ...set.program.problems]).toEqual([]));

  it("explains every rule that counts, and gives it points", () => {
    const counting = [...set.program.book.rules.values()].filter(
      ({ name }) => !name.startsWith("__"),
    );
    expect(counting.length).toBeGreaterThan(100);
    expect(counting.filter(({ describe: text }) => text === "")).toEqual([]);
    const points = counting
      .filter(({ name }) => name !== "GTUBE")
      .map(({ scores: [local] }) => Math.abs(local));
    expect(Math.min(...points)).toBeGreaterThan(0);
    expect(Math.max(...points)).toBeLessThanOrEqual(3);
  });

  it("finds nothing in a letter", () => {
    const { total, rules } = judged([
      ...FROM_A_HOST,
      "From: Ben Miller <ben@far.example>",
      "Subject: Minutes of Thursday",
      ...HEADER,
      "",
      "Ann,",
      "",
      "the minutes are on the share. Could you look at point 3 before Monday?",
      "",
      "Ben",
    ]);
    expect(rules).toEqual([]);
    expect(total).toBe(0);
  });

  it("tags an offer of the usual kind", () => {
    const { total, rules } = judged([
      ...FROM_A_LINE,
      "From: FREE OFFERS <win48213@yahoo.com>",
      "Reply-To: offers7@hotmail.com",
      "Subject: AMAZING OPPORTUNITY - EARN CASH!!",
      ...HEADER,
      "Content-Type: text/html",
      "",
      "<html><body><center><font size=7>Make $5000 a week working from home, 100% guaranteed!!!</font>",
      "<p>Dear friend, click here: <a href=http://203.0.113.5/remove.html>order now</a>. This is not spam.",
      "To be removed from our list click here.</center></body></html>",
    ]);
    expect(rules).toEqual(
      expect.arrayContaining([
        ...["PN_NO_NAME", "PN_HELO_BARE", "PN_FROM_BORROWED", "PN_FROM_DIGITS", "PN_HTML_ONLY"],
        ...["PN_SUBJECT_SHOUTS", "PN_REMOVE_YOU", "PN_EARN", "PN_URI_NUMBER", "PN_NOT_SPAM"],
      ]),
    );
    expect(total).toBeGreaterThan(10);
  });

  it("knows GTUBE", () => {
    const line = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
    const letter = [...FROM_A_HOST, "From: b@far.example", "Subject: test", ...HEADER, "", line];
    expect(judged(letter)).toEqual({ total: 1000, rules: ["GTUBE"] });
  });

  it("tags a threat that wants coins", () => {
    const { total, rules } = judged([
      ...FROM_A_LINE,
      "From: ann@ours.example",
      "Subject: I have recorded you, immediate payment",
      ...HEADER,
      "",
      "I have hacked your operating system and recorded a video with your webcam. I will send it to all your contacts.",
      "Transfer 900 USD in bitcoin within 48 hours to my wallet:",
      "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    ]);
    expect(rules).toContain("PN_EXTORTION");
    expect(total).toBeGreaterThan(5);
  });
});
