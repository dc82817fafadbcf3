// The engine and a real spamd, both with plugins that the stock rules do not load, over messages in several languages and with several
// names of senders: the same rules hit.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { have } from "../lab/peers.ts";
import { besideSpamd } from "./beside-spamd.ts";

const RULES = readFileSync(join(import.meta.dirname, "rules/plugins.cf"), "latin1");

const TEXTS: Readonly<Record<string, string>> = {
  en: "Our garden has changed a great deal since you last saw it. The old apple tree fell in a storm, and where it stood we now have a small pond with frogs that keep the neighbours awake. ",
  nl: "Onze tuin is erg veranderd sinds je hem het laatst zag. De oude appelboom is in een storm omgevallen, en waar hij stond hebben we nu een kleine vijver met kikkers die de buren wakker houden. ",
  de: "Unser Garten hat sich sehr verändert, seit du ihn zuletzt gesehen hast. Der alte Apfelbaum ist in einem Sturm umgefallen, und wo er stand, haben wir jetzt einen kleinen Teich mit Fröschen. ÜBERALL. ",
  fr: "Notre jardin a beaucoup changé depuis que tu l'as vu. Le vieux pommier est tombé pendant une tempête, et à sa place nous avons maintenant un petit étang avec des grenouilles qui réveillent les voisins. ",
  ru: "Наш сад очень изменился с тех пор, как ты видел его в последний раз. Старая яблоня упала во время бури, и на её месте теперь маленький пруд с лягушками, которые не дают спать соседям. ",
};
/** KOI8-R of Russian letters: what the others are in UTF-8 and ISO 8859-1. */
const KOI8 = "юабцдефгхийклмнопярстужвьызшэщчъ";

const NAMES = [
  '"ceo@bank.com" <evil@spam.org>',
  '"ceo@bank.com" <info@bank.com>',
  '"ceo@bank.co.uk" <info@bank.com>',
  '"me@gmail.com" <me@googlemail.com>',
  '"you@example.org" <a@b.com>',
  '"answer@example.net" <a@b.com>',
  "=?utf-8?Q?J=C3=BCrgen_bob=40foo.com?= <b@c.com>",
  '"bob@foo.com." <b@c.com>',
  `"${"x".repeat(60)} bob@foo.com" <b@c.com>`,
  "bob@foo.com",
];

function koi8(text: string): Buffer {
  return Buffer.from(
    Array.from(text, (letter) => {
      const small = KOI8.indexOf(letter.toLowerCase());
      if (small < 0) return letter === "ё" ? 0xa3 : letter.charCodeAt(0) & 0x7f;
      return (letter === letter.toLowerCase() ? 0xc0 : 0xe0) + small;
    }),
  );
}

function mail(from: string, more: string, charset: string, text: Buffer): Buffer {
  const fields = `From: ${from}\nTo: you@example.org\nReply-To: answer@example.net\n${more}Subject: Re: hello\nMIME-Version: 1.0\nContent-Type: text/plain; charset=${charset}\nContent-Transfer-Encoding: 8bit\n\n`;
  return Buffer.concat([Buffer.from(fields, "latin1"), text, Buffer.from("\n")]);
}

function messages(): Map<string, Buffer> {
  const all = new Map<string, Buffer>();
  NAMES.forEach((name, at) => {
    all.set(`name ${at}`, mail(name, "", "us-ascii", Buffer.from("a text")));
    all.set(`name ${at}, list`, mail(name, "List-Id: <x>\n", "us-ascii", Buffer.from("a text")));
  });
  for (const [language, text] of Object.entries(TEXTS))
    for (const times of [1, 2, 12, 80]) {
      const long = text.repeat(times);
      const body = (charset: string, octets: Buffer): void =>
        void all.set(`${language} ${charset} ${times}`, mail("a@b.com", "", charset, octets));
      body("utf-8", Buffer.from(long));
      if (language === "ru") body("koi8-r", koi8(long));
      else body("iso-8859-1", Buffer.from(long, "latin1"));
      body("x-unknown", Buffer.from(long.toUpperCase()));
    }
  all.set("its own", mail("a@b.com", "X-Languages: fr\n", "utf-8", Buffer.from(TEXTS["en"] ?? "")));
  return all;
}

test.skipIf(!have("spamd"))("the same hits as spamd with FromNameSpoof and TextCat", async () => {
  const found = await besideSpamd(messages(), RULES);
  console.log(`${found.messages} messages, ${found.pairs.both} hits in common`);
  expect(found.messages).toBeGreaterThan(70);
  expect(found.unanswered).toEqual([]);
  expect(found.rules).toEqual([]);
  expect(found.scores.rate).toBe(1);
});
