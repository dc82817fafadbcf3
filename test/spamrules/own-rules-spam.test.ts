// rules/spam over spam made here, kind by kind: the rules that are meant for a kind hit, and what has several signs is tagged.
import { beforeAll, describe, expect, it } from "vitest";
import { FROM_A_LINE, HEADER, letter, smallSet, word, type SmallSet } from "./own-rules.ts";

let set: SmallSet;
beforeAll(() => {
  set = smallSet();
});

const page = (...lines: readonly string[]): string[] => [
  `<html><body>${lines.join("<p>")}</body></html>`,
];
const elsewhere = "<info@far.example>";

/** What the rule sees, and the nearest thing that it must leave alone. */
const RULES: readonly (readonly [rule: string, hit: readonly string[], not: readonly string[]])[] =
  [
    [
      "PN_COMPANY_ELSEWHERE",
      letter(`"PayPal Service" ${elsewhere}`, "Hello", ["x"]),
      letter('"PayPal" <service@intl.paypal.com>', "Hello", ["x"]),
    ],
    [
      "PN_COMPANY_ELSEWHERE",
      letter(`"Norton Support" ${elsewhere}`, "Hello", ["x"]),
      letter(`Edward Norton ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_COIN_ELSEWHERE",
      letter(`"Trust Wallet" ${elsewhere}`, "Hello", ["x"]),
      letter('"Trust Wallet" <news@trustwallet.com>', "Hello", ["x"]),
    ],
    [
      "PN_COMPANY_LIKE",
      letter("Support <a@email-ledger.example>", "Hello", ["x"]),
      letter("Support <a@ledger.example>", "Hello", ["x"]),
    ],
    [
      "PN_OFFICE_FREE",
      letter("Billing Department <dep8@gmail.com>", "Hello", ["x"]),
      letter("Ben Miller <ben@gmail.com>", "Hello", ["x"]),
    ],
    [
      "PN_LETTERS_NAME",
      letter(`${word("Pаypal")} ${elsewhere}`, "Hello", ["x"]),
      letter(`${word("Павел Müller")} ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_LETTERS_SUBJECT",
      letter(`A ${elsewhere}`, word("Youɾ account"), ["x"]),
      letter(`A ${elsewhere}`, word("Отчёт report"), ["x"]),
    ],
    [
      "PN_LOOKALIKE",
      letter(`AppIe ${elsewhere}`, "Hello", ["x"]),
      letter(`Apple ${elsewhere}`, "Microsoft and Facebook", ["x"]),
    ],
    [
      "PN_INVISIBLE",
      letter(`A ${elsewhere}`, word("Pass\u200bword"), ["x"]),
      letter(`A ${elsewhere}`, word("Password\u200b expired"), ["x"]),
    ],
    [
      "PN_NAME_MARKS",
      letter(`Thank You!   ,_${elsewhere}`, "Hello", ["x"]),
      letter(`"Doe, John (Sales)" ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_FROM_MANY",
      letter(`MoviePark, <a@far.example.>, MoviePark`, "Hello", ["x"]),
      letter(`"Doe, John" ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_NAME_SERIAL",
      letter(`"Fatura: 47630933" ${elsewhere}`, "Hello", ["x"]),
      letter(`"Studio 54" ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_NAME_GAPS",
      letter(`"N.E.T.F.L.I.X" ${elsewhere}`, "Hello", ["x"]),
      letter(`"J. R. R. Miller" ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_SUBJECT_CODE",
      letter(`A ${elsewhere}`, "Fatura - G3ejrKKzNc30o7qJhZ", ["x"]),
      letter(`A ${elsewhere}`, "Invoice 2026-11-0312 for JavaScriptConference", ["x"]),
    ],
    [
      "PN_FROM_HOST_JUMBLE",
      letter("A <a@98zr2pjfkwx.com>", "Hello", ["x"]),
      letter("A <a@rechtsschutz24.de>", "Hello", ["x"]),
    ],
    [
      "PN_REPLY_ELSEWHERE",
      letter(`A ${elsewhere}`, "Hello", ["x"], ["Reply-To: drbarr@gmail.com"]),
      letter("A <a@gmail.com>", "Hello", ["x"], ["Reply-To: a@gmail.com"]),
    ],
    [
      "PN_REPLY_OTHER",
      letter("A <a77@yahoo.com>", "Hello", ["x"], ["Reply-To: drbarr@gmail.com"]),
      letter("A <a77@yahoo.com>", "Hello", ["x"], ["Reply-To: <a77@yahoo.com>"]),
    ],
    [
      "PN_FROM_SELF",
      letter("Ann <ann@ours.example>", "Hello", ["x"]),
      letter("Joann <joann@ours.example>", "Hello", ["x"]),
    ],
    [
      "PN_DATE_ODD",
      letter(`A ${elsewhere}`, "Hello", ["x"]).map((line) =>
        line.startsWith("Date:") ? "Date: 12-01-2026" : line,
      ),
      letter(`A ${elsewhere}`, "Hello", ["x"]),
    ],
    [
      "PN_PAGE_ATTACHED",
      [
        ...letter(`A ${elsewhere}`, "Hello", []).slice(0, -4),
        'Content-Type: text/html; name="invoice.html"',
        "Content-Disposition: attachment",
        "",
        "<html></html>",
      ],
      letter(`A ${elsewhere}`, "Hello", page("see invoice.html")),
    ],
    [
      "PN_ASKS_PASSWORD",
      letter(`A ${elsewhere}`, "Hello", page('<form><input name=p type="password"></form>')),
      letter(`A ${elsewhere}`, "Hello", page("Your password? type=password is an input.")),
    ],
    [
      "PN_URI_ADDRESS_AT_END",
      letter(
        `A ${elsewhere}`,
        "Hello",
        page("<a href='https://x.example/a#ann@ours.example'>x</a>"),
      ),
      letter(`A ${elsewhere}`, "Hello", page("<a href='https://x.example/a#chapter'>x</a>")),
    ],
    [
      "PN_URI_CLOUD_PAGE",
      letter(
        `A ${elsewhere}`,
        "Hello",
        page("<a href='https://storage.googleapis.com/kx/index.html#7'>x</a>"),
      ),
      letter(
        `A ${elsewhere}`,
        "Hello",
        page("<img src='https://storage.googleapis.com/kx/logo.png'>"),
      ),
    ],
    [
      "PN_URI_COMPANY_LIKE",
      letter(`A ${elsewhere}`, "Hello", ["https://paypal-secure.example.net/login"]),
      letter(`A ${elsewhere}`, "Hello", ["https://www.paypal.com/login"]),
    ],
    [
      "PN_URI_REMOVE",
      letter(`A ${elsewhere}`, "Hello", ["http://example.net/remove.html"]),
      letter(
        `A ${elsewhere}`,
        "Hello",
        ["http://example.net/remove.html"],
        ["List-Unsubscribe: <https://far.example/leave>"],
      ),
    ],
    [
      "PN_GIFT_CARDS",
      letter(`A ${elsewhere}`, "Hello", [
        "Can you get me five Apple gift cards for a client today?",
      ]),
      letter(`A ${elsewhere}`, "Hello", ["Thank you for the gift card!"]),
    ],
  ];

/** Whole letters of a kind: tagged. */
const KINDS: readonly (readonly [what: string, lines: readonly string[]])[] = [
  [
    "a wallet that will be closed",
    letter(
      '"MetaMask Support" <x1@hosting.example>',
      "Action required",
      page(
        "Your wallet will be suspended within 48 hours. Verify your wallet now to avoid suspension.",
      ),
    ),
  ],
  [
    "a prize of a shop",
    letter(
      "Walmart - Thank You!   ,_<a7@98zrpjfkwx.com>",
      "Congrats! Your reward has arrived",
      page(
        "You have been selected. Claim your reward: <a href='https://t.co/xyz'>answer a short survey</a>",
      ),
    ),
  ],
  [
    "a German bank that does not write this",
    letter(
      `"Sparkasse" ${elsewhere}`,
      "Ihr Konto",
      page("Ihr Konto wurde vorübergehend gesperrt. Bitte bestätigen Sie Ihre Daten umgehend."),
    ),
  ],
  [
    "a Brazilian bank's points",
    letter(
      '"Livelo - Protocolo: 5718872" <x@web88.example>',
      word("Seus pontos vão vencer - Protocolo: 8482221"),
      page("Seus pontos acumulados expiram hoje mesmo. Clique para resgatar seus pontos."),
    ),
  ],
  [
    "a French parcel",
    letter(
      `"Chronopost" ${elsewhere}`,
      "Votre colis",
      page("Votre colis est en attente : payez les frais de livraison dans les 24 heures."),
    ),
  ],
  [
    "a Japanese card",
    letter(
      `"Rakuten" ${elsewhere}`,
      word("【重要】お知らせ"),
      page("お客様のカードは利用を停止しました。本人確認をお願いします。"),
    ),
  ],
  [
    "a fortune",
    letter(
      "Barrister John <john77@yahoo.com>",
      "Business proposal",
      [
        "Dear friend,",
        "",
        "my late client, who died in a plane crash, left the sum of US$ 12.5 million at the central bank of Nigeria without next of kin.",
        "I need your assistance to transfer the fund to a foreign account, in strict confidence. 30 % of the total is for you.",
      ],
      ["Reply-To: barr.john@gmail.com"],
    ),
  ],
  [
    "pills from a household's line",
    [
      ...FROM_A_LINE,
      'From: "Viagra Online Shop" <ann@ours.example>',
      "Subject: ann, 80% OFF today",
      ...HEADER,
      "Content-Type: text/html",
      "",
      ...page("Click here for cheap pills online"),
    ],
  ],
];

describe("rules/spam", () => {
  it.each(RULES)("%s", (rule, hit, not) => {
    expect(set.judged(hit).rules).toContain(rule);
    expect(set.judged(not).rules).not.toContain(rule);
  });

  it.each(KINDS)("tags %s", (_what, lines) => {
    const { total, rules } = set.judged(lines);
    expect(total, rules.join(" ")).toBeGreaterThanOrEqual(5);
  });
});
