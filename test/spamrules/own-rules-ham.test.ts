// rules/spam over mail that looks like spam and is none: none of it comes near the points of spam.
import { beforeAll, describe, expect, it } from "vitest";
import { FROM_A_HOST, HEADER, letter, smallSet, word, type SmallSet } from "./own-rules.ts";

let set: SmallSet;
beforeAll(() => {
  set = smallSet();
});

const LEAVE = [
  "List-Unsubscribe: <https://news.shop.example/leave?u=81723>",
  "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
];
const LIST = [
  "List-Id: <dev.lists.example>",
  "List-Post: <mailto:dev@lists.example>",
  "Precedence: list",
];

/** At most so many points: half of what spam has, but for newsletters, which are sold by the same words. */
const NEAR = 2.5;
type Letter = readonly [what: string, lines: readonly string[], most?: number];
const LETTERS: readonly Letter[] = [
  [
    "a newsletter with hidden text, counting picture and a way out",
    letter(
      '"Garden Shop" <news@news.shop.example>',
      word("🌷 Save up to 40% on spring bulbs – last day"),
      [
        '<html><body><div style="display:none;font-size:0">Ends tonight &zwnj;&nbsp;&zwnj;&nbsp;</div>',
        '<center><table width="600"><tr><td align="center"><a href="https://click.news.shop.example/?ref=7712">',
        '<img src="https://img.shop.example/tulips.jpg" width="600"></a></td></tr></table>',
        "<p>Order now and get free shipping on orders over $50. Our lowest prices of the year, while supplies last.</p>",
        "<p>You are receiving this because you signed up at our shop. <a href='https://news.shop.example/unsubscribe?u=81723'>Unsubscribe</a></p>",
        '<img src="https://click.news.shop.example/o.gif" width="1" height="1"></center></body></html>',
      ],
      LEAVE,
    ),
    3.5,
  ],
  [
    "an order confirmation",
    letter('"Shop" <orders@shop.example>', "Your order 7712-3391 has shipped", [
      "<html><body><h1>Thank you for your order!</h1><p>Your package is on its way and will be delivered on Tuesday.</p>",
      "<table><tr><td>Tulips, 50</td><td>$19.90</td></tr></table><p><a href='https://shop.example/orders/77123391'>Track your parcel</a></p>",
      "<p>Questions? Call us at 1-800-555-0199.</p></body></html>",
    ]),
  ],
  [
    "a password reset",
    letter('"Wiki" <noreply@wiki.example>', "Reset your password", [
      "Hello Ann,",
      "",
      "somebody asked for a new password for your account. Follow this link within 24 hours to reset your password:",
      "https://wiki.example/reset?token=Zm9vYmFyYmF6cXV4Zm9vYmFy",
      "If it was not you, ignore this message.",
    ]),
  ],
  [
    "a warning of a real company about a sign-in",
    letter('"Google" <no-reply@accounts.google.com>', "Security alert", [
      "<html><body><p>A new sign-in on Linux. We noticed a new sign-in to your Google Account. If this was you, you don't need to do anything.</p>",
      '<p><a href="https://accounts.google.com/AccountChooser?Email=ann">Check activity</a></p></body></html>',
    ]),
  ],
  [
    "a bounce",
    [
      ...FROM_A_HOST.map((line) => line.replace("from mail.far.example", "from mailhub")),
      "From: MAILER-DAEMON@mailhub (Mail Delivery System)",
      "Subject: Undelivered Mail Returned to Sender",
      ...HEADER,
      "Auto-Submitted: auto-replied",
      "MIME-Version: 1.0",
      "Content-Type: multipart/report; report-type=delivery-status; boundary=frontier",
      "",
      "--frontier",
      "",
      "I'm sorry to have to inform you that your message could not be delivered.",
      "--frontier",
      "Content-Type: message/delivery-status",
      "",
      "Reporting-MTA: dns; mailhub",
      "",
      "Final-Recipient: rfc822; bob@far.example",
      "Action: failed",
      "Status: 5.1.1",
      "--frontier--",
    ],
  ],
  [
    "an invitation",
    [
      ...FROM_A_HOST,
      "From: Ben Miller <ben@far.example>",
      "Subject: Invitation: Planning @ Mon 23 Nov 2026 10:00",
      ...HEADER,
      "MIME-Version: 1.0",
      "Content-Type: multipart/alternative; boundary=frontier",
      "",
      "--frontier",
      "Content-Type: text/html; charset=utf-8",
      "",
      "<html><body><p>Ben invites you to <b>Planning</b>. <a href='https://cal.far.example/e/1?r=yes'>Yes</a></p></body></html>",
      "--frontier",
      "Content-Type: text/calendar; method=REQUEST; charset=utf-8",
      "",
      "BEGIN:VCALENDAR",
      "METHOD:REQUEST",
      "END:VCALENDAR",
      "--frontier--",
    ],
  ],
  [
    "a patch on a list",
    letter(
      "Ben Miller via dev <dev@lists.example>",
      "[PATCH v3 2/7] wallet: Verify your account's token before the transfer",
      [
        "A wallet whose tokens are locked was never verified. Claim it again, with crypto from the kernel.",
        "",
        "Signed-off-by: Ben Miller <ben@far.example>",
        "---",
        " wallet.c | 3 ++-",
        "@@ -1,3 +1,3 @@",
        "-\tif (!verify(account)) return 0;",
        "+\tif (!verify(account)) return -EPERM;",
      ],
      [...LIST, "In-Reply-To: <1@far.example>"],
    ),
  ],
  [
    "an answer from a free mail provider",
    letter(
      "Ben Miller <ben.miller78@gmail.com>",
      "Re: the money for the holiday",
      ["Hi Ann,", "", "got it, thanks. I will transfer the rest today. Free on Sunday?", "", "Ben"],
      ["In-Reply-To: <2@ours.example>"],
    ),
  ],
  [
    "a German letter about a parcel and a loan",
    letter("Jürgen Groß <jgross@web.de>".normalize(), word("Dein Päckchen & der Kredit"), [
      "Liebe Anne,",
      "",
      "herzlichen Glückwunsch zum neuen Auto! Dein Paket ist gestern angekommen, der Zusteller hatte es beim Nachbarn gelassen.",
      "Wegen des Kredits rufe ich morgen bei der Sparkasse an; mein Konto ist ja noch dort.",
      "",
      "Viele Grüße",
      "Jürgen",
    ]),
  ],
  [
    "a Russian letter with a Latin word",
    letter(`${word("Ольга Петрова")} <olga@far.example>`, word("Встреча в четверг"), [
      "Привет, Анна! Отчёт лежит на диске, файл report.pdf. Посмотри до четверга, пожалуйста.",
    ]),
  ],
  [
    "a Chinese letter",
    letter(`${word("王小明的办公室秘书")} <wang@far.example>`, word("周四会议纪要"), [
      "安娜，你好：附件是周四会议的纪要，请在周一之前看一下第三点。谢谢！",
    ]),
  ],
  [
    "a Portuguese letter from a shop's owner",
    letter(`${word("João Martins")} <joao@loja.example>`, word("Orçamento e nota fiscal"), [
      "Olá Ana, segue em anexo a nota fiscal do mês e o boleto. Qualquer dúvida estou à disposição. Abraço, João",
    ]),
  ],
  [
    "a French letter that thanks for a present card",
    letter("Claire Dubois <claire@far.example>", word("Merci pour la carte cadeau"), [
      "Chère Anne, merci pour la carte cadeau Amazon, c'était une belle surprise ! Votre colis est bien arrivé. Bises, Claire",
    ]),
  ],
  [
    "a bill from a company with a web page attached",
    [
      ...FROM_A_HOST,
      'From: "Phone Company" <bill@phone.example>',
      "Subject: Your invoice for November",
      ...HEADER,
      "MIME-Version: 1.0",
      "Content-Type: multipart/mixed; boundary=frontier",
      "",
      "--frontier",
      "Content-Type: text/plain",
      "",
      "Dear Ms Miller, your invoice is attached. We will debit $39.90 from your account on 1 December.",
      "--frontier",
      'Content-Type: text/html; name="details.html"',
      "Content-Disposition: attachment; filename=details.html",
      "",
      "<html><body><table><tr><td>Calls</td><td>39.90</td></tr></table></body></html>",
      "--frontier--",
    ],
    3,
  ],
];

describe("rules/spam leaves alone", () => {
  for (const [what, lines, most = NEAR] of LETTERS)
    it(what, () => {
      const { total, rules } = set.judged(lines);
      expect(total, rules.join(" ")).toBeLessThanOrEqual(most);
    });
});
