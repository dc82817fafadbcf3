// A message as SpamAssassin hands it back (spamd's PROCESS and HEADERS): its X-Spam-* fields replaced, header fields of spam marked, or
// all of it wrapped behind a report (report_safe). Texts are octets.
import { randomBytes } from "node:crypto";
import { dateText, wrapped } from "./report-text.ts";
import { reportOf, tagFacts, type ReportFacts } from "./report.ts";
import { encodedField } from "./encoded-field.ts";
import { filled, prefixOf, VERSION, type TagFacts } from "./tags.ts";

/** The whole message with its own line ends. */
export function rewritten(facts: ReportFacts): string {
  const { subject, book, scored } = facts;
  const isSpam = scored.total >= scored.required;
  const tags = tagFacts(facts);
  const end = /^[^\n]*\r\n/.test(subject.pristine) ? "\r\n" : "\n";
  const mail =
    isSpam && book.settings.reportSafe > 0
      ? behindReport(facts, tags, end)
      : marked(facts, tags, end, isSpam);
  return facts.mboxLine + mail;
}

const withEnds = (text: string, end: string): string =>
  end === "\n" ? text : text.replace(/\r?\n/g, end);

/** The X-Spam-* fields, a line or more each. */
function addedFields(tags: TagFacts, isSpam: boolean): string {
  const { settings } = tags;
  const fold = settings.others.get("fold_headers")?.at(-1) !== "0";
  return (isSpam ? settings.headersSpam : settings.headersHam)
    .map(([name, template]) => {
      const text = filled(template, tags).replace(/(?:\r?\n)+$/, "");
      return `X-Spam-${name}: ${encodedField(fold ? folded(name, text) : text.replaceAll("\n", " "))}\n`;
    })
    .join("");
}

function folded(name: string, text: string): string {
  if (text.includes("\n")) return text.replace(/[\t-\r ]*\n[\t-\r ]*/g, "\n\t");
  // QUIRK: while it is wrapped "!!" stands for ": ", so that no line ends there.
  const lines = wrapped(`X-Spam-${name}!!${text}`, {
    prefix: "\t",
    first: "",
    width: 79,
    overflow: false,
    at: "space-or-comma",
  });
  const whole = lines.replace(/^[\t-\r ]*\n/gm, "");
  return whole.slice(whole.indexOf("!!") + 2);
}

/** Header fields as they came, with their ends; the empty line apart. */
function takenApart(header: string): { fields: string[]; separator: string } {
  const lines = header.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const fields: string[] = [];
  let dropping = false;
  for (const line of lines) {
    if (/^[ \t]/.test(line) && !/^[\t-\r ]*$/.test(line)) {
      if (!dropping) fields.push(line);
      continue;
    }
    dropping = /^X-Spam-(?!Prev-)/i.test(line);
    if (!dropping) fields.push(line);
  }
  const isEmpty = /^[\t-\r ]*$/.test(fields.at(-1) ?? "x");
  return { fields, separator: isEmpty ? (fields.pop() ?? "") : "" };
}

/** The message with fields added in front, behind Return-Path. */
function marked(
  { subject, scored }: ReportFacts,
  tags: TagFacts,
  end: string,
  isSpam: boolean,
): string {
  const { rewriteHeader } = tags.settings;
  const { fields, separator } = takenApart(subject.pristineHeaders);
  const hasSubject = fields.some((line) => /^Subject:/i.test(line));
  const created = !hasSubject && rewriteHeader.has("subject");
  if (created) fields.push("Subject: \n");
  const prefix = oneLine(filled(prefixOf(scored, tags.settings), tags)).replace(/[\t-\r ]+$/, "");
  const before: string[] = [];
  for (const [i, line] of fields.entries()) {
    const name = (isSpam ? /^(From|Subject|To):/i : /^(Subject):/i).exec(line)?.[1]?.toLowerCase();
    const template = name === undefined ? undefined : rewriteHeader.get(name);
    if (name === undefined || template === undefined) continue;
    let text = line;
    if (prefix !== "") text = tagged(text, prefix);
    if (isSpam) {
      before.push(`X-Spam-Prev-${created ? "Subject: (nonexistent)\n" : line}`);
      const tag = oneLine(filled(template, tags));
      text = tagged(text, name === "subject" ? tag : `(${tag})`);
    }
    fields[i] = text;
  }
  const rest = [...fields, ...before];
  let top = "";
  if (/^Return-Path:/i.test(rest[0] ?? "")) {
    top = rest.shift() ?? "";
    while (/^[ \t]/.test(rest[0] ?? "")) top += rest.shift() ?? "";
  }
  const header = top + addedFields(tags, isSpam) + rest.join("") + separator;
  return withEnds(header, end) + subject.pristineBody;
}

const oneLine = (text: string): string => text.replaceAll("\n", " ");

/** A tag in front of a field's text, unless it stands there already. */
function tagged(line: string, tag: string): string {
  const colon = line.indexOf(":") + 1;
  const text = line.slice(colon).replace(/^[ \t]*/, "");
  const again = text.toLowerCase().startsWith(`${tag.toLowerCase()} `);
  return `${line.slice(0, colon)} ${tag} ${again ? text.slice(tag.length + 1) : text}`;
}

function behindReport(facts: ReportFacts, tags: TagFacts, end: string): string {
  const { subject, hostname, now } = facts;
  const { settings } = tags;
  const original = subject.pristine;
  const charset = settings.others.get("report_charset")?.at(-1) || "UTF-8";
  const contentType = subject.get("Content-Type") ?? "";
  const isPlain = contentType.trim() === "" || /text\/plain/i.test(contentType);
  const report = reportOf(facts) + (isPlain ? "" : filled(settings.unsafeReportTemplate, tags));
  const boundary = newBoundary(original, now);
  const type = settings.reportSafe > 1 ? "text/plain" : "message/rfc822";
  const description =
    settings.others.get("encapsulated_content_description")?.at(-1) ??
    "original message before SpamAssassin";
  const head = `${topFields(facts, tags)}MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="${boundary}"

This is a multi-part message in MIME format.

--${boundary}
Content-Type: text/plain; charset=${charset}
Content-Disposition: inline
Content-Transfer-Encoding: 8bit

${report}

--${boundary}
Content-Type: ${type}; x-spam-type=original
Content-Description: ${description}
Content-Disposition: ${isPlain ? "inline" : "attachment"}
Content-Transfer-Encoding: 8bit

`;
  const received = `Received: from localhost by ${hostname}\n\twith SpamAssassin (version ${VERSION});\n\t${dateText(now)}\n`;
  return `${withEnds(received + head, end)}${original}${withEnds(`\n--${boundary}--\n\n`, end)}`;
}

/** The fields that the wrapped message keeps outside, marked as it is configured. */
function topFields({ subject, scored }: ReportFacts, tags: TagFacts): string {
  const { settings } = tags;
  const { rewriteHeader, others } = settings;
  const pristine = fieldsOf(subject.pristineHeaders);
  const own = (name: string): string | undefined => pristine.get(name)?.at(-1);
  const tag = (name: string): string | null => {
    const template = rewriteHeader.get(name);
    return template === undefined ? null : oneLine(filled(template, tags));
  };
  const comment = (name: string): string | undefined => {
    const mark = tag(name);
    const text = own(name);
    if (mark === null) return text;
    const line = (text ?? "\n").replace(/\r?\n$/, "");
    const bare = line.endsWith(`\t(${mark})`) ? line.slice(0, -mark.length - 3) : line;
    return `${bare}\t(${mark})\n`;
  };
  let title = own("subject");
  const mark = tag("subject");
  if (mark !== null) {
    const prefix = oneLine(filled(prefixOf(scored, settings), tags));
    const text = prefix + (title ?? "\n");
    title = `${mark} ${text.startsWith(`${mark} `) ? text.slice(mark.length + 1) : text}`;
  }
  const kept: [string, string | undefined][] = [
    ["From", comment("from")],
    ["To", comment("to")],
    ["Cc", own("cc")],
    ["Subject", title],
    ["Date", own("date")],
    ["Message-Id", own("message-id")],
  ];
  let text = kept.map(([name, value]) => (value === undefined ? "" : `${name}: ${value}`)).join("");
  text += addedFields(tags, true);
  const done = new Set(kept.map(([name]) => name.toLowerCase()));
  for (const name of (others.get("report_safe_copy_headers") ?? []).flatMap((line) =>
    line.split(/[\s,]+/),
  )) {
    if (name === "" || done.has(name.toLowerCase())) continue;
    done.add(name.toLowerCase());
    const lines = (pristine.get(name.toLowerCase()) ?? [])
      .map((value) => `${name}: ${value}`)
      .join("");
    text = name.toLowerCase() === "received" ? lines + text : text + lines;
  }
  return text;
}

/** Texts behind "Name: " as they came, with their ends, by lower-case name. */
function fieldsOf(header: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [, name = "", value = ""] of header.matchAll(
    /^([!-9;-~]+)[ \t]*:[ \t]*([^\n]*\n(?:[ \t][^\n]*\n)*)/gm,
  )) {
    const values = found.get(name.toLowerCase());
    if (values === undefined) found.set(name.toLowerCase(), [value]);
    else values.push(value);
  }
  return found;
}

/** None that the message could have been made to hold. */
function newBoundary(original: string, now: number): string {
  const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, "0");
  const random = (): string => hex(randomBytes(4).readUInt32BE());
  let boundary = `----------=_${hex(Math.floor(now / 1000))}.${random()}`;
  while (original.includes(`--${boundary}`)) boundary += `/${random()}`;
  return boundary;
}
