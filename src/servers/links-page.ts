// The pages behind release links: plain HTML, no script, no style, no picture. Everything that came with a message is escaped and
// cut. Written by links.ts.
import type { LinkAnswer, Shown } from "../engine/linked-release.ts";
import { line } from "../mail/composed-text.ts";

export interface HtmlPage {
  readonly status: number;
  readonly html: string;
}

/** `postmaster` is whom to ask. */
export function pageOf(answer: LinkAnswer, postmaster: string): HtmlPage {
  const ask = `Ask ${escaped(postmaster)}`;
  switch (answer.kind) {
    case "ask":
      return page(200, "Release a message?", [
        paragraph("This message was held. It will be delivered to you if you press the button."),
        factsOf(answer.shown),
        '<form method="post"><button type="submit">Release this message</button></form>',
        paragraph(`The link works once, until ${answer.expires.toUTCString()}.`),
      ]);
    case "released":
      return page(200, "The message was released", [
        paragraph("It is on its way to you."),
        factsOf(answer.shown),
      ]);
    case "already":
      return page(409, "The message was released already", [
        paragraph("A link works once: look into your mailbox."),
        factsOf(answer.shown),
      ]);
    case "invalid":
      return page(403, "This link is not valid", [
        paragraph(`Perhaps part of it is missing. ${ask} if it comes from a message of ours.`),
      ]);
    case "expired":
      return page(410, "This link has expired", [paragraph(`${ask} for the message.`)]);
    case "gone":
      return page(410, "The message is not kept any more", [
        paragraph("Kept messages are deleted after some time."),
      ]);
    case "forbidden":
      return page(403, "This message cannot be released here", [
        paragraph(`${ask} and name the reference ${escaped(answer.id)}.`),
      ]);
    case "later":
      return page(503, "The message could not be released now", [
        paragraph("Nothing was sent. Try again in a few minutes."),
      ]);
    case "unsure":
      return page(503, "The message may have been released", [
        paragraph(
          `It was asked for before. Look into your mailbox in a few minutes; if it is not there: ${ask} and name the reference ${escaped(answer.id)}.`,
        ),
      ]);
    default:
      return answer satisfies never;
  }
}

/** A page of one sentence, for what has nothing to do with a message. */
export function plainPage(status: number, title: string): HtmlPage {
  return page(status, title, []);
}

function factsOf({ sender, recipient, subject, arrived, size, category }: Shown): string {
  const rows: readonly (readonly [string, string])[] = [
    ["From", sender === "" ? "(nobody: an automatic message)" : sender],
    ["To", recipient],
    ["Subject", subject === "" ? "(none)" : subject],
    ["Arrived", arrived.toUTCString()],
    ["Size", `${size} octets`],
    ["Held as", category === "badh" ? "malformed" : category],
  ];
  return `<dl>${rows.map(([name, text]) => `<dt>${name}</dt><dd>${escaped(text)}</dd>`).join("")}</dl>`;
}

function page(status: number, title: string, parts: readonly string[]): HtmlPage {
  const head = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title></head>`;
  return { status, html: `${head}<body><h1>${title}</h1>${parts.join("")}</body></html>\n` };
}

/** `text` is ours or escaped already. */
function paragraph(text: string): string {
  return `<p>${text}</p>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** One line of foreign text, at most 300 characters. */
function escaped(text: string): string {
  return line(text, 300).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
