// What changes in the header block for one recipient, in amavis' names and formats. Pure: the engine hands in facts and
// applies the edits with mail/edited.ts; recipients with equal edits travel together. Nothing but the header is touched.
import type { HeaderEdit } from "../mail/edited.ts";
import type { Field } from "../mail/header.ts";
import { encodedWords, fieldLine, headerText, reencodedText } from "../mail/field-line.ts";
import { receivedLine, type ReceivedFacts } from "../mail/received-line.ts";
import { spamFields, type SpamFacts } from "./spam-fields.ts";

/** One change of the header block: prepend, remove or replace; see mail/edited.ts, which applies it. */
export type Edit = HeaderEdit;

export interface EditInput {
  readonly hostname: string;
  /** "postern". */
  readonly product: string;
  readonly mailId: string;
  readonly origin: "inbound" | "outbound";
  /** The client is a relay whose X-Spam-* and like fields are believed: nothing is removed. */
  readonly trusted: boolean;
  /** The recipient is in one of our domains: X-Spam-*, alerts and the subject tag are for it only. */
  readonly local: boolean;
  readonly fields: readonly Field[];
  readonly quarantined: boolean;
  /** A virus scanner really answered. */
  readonly virusScanned: boolean;
  readonly viruses: readonly string[];
  readonly banned: string | null;
  readonly malformed: string | null;
  /** null when no scorer answered. */
  readonly spam: SpamFacts | null;
  /** Put in front of Subject at tag2; null = never. */
  readonly subjectTag: string | null;
  /** Zones that list the client, one X-RBL-Warning each. */
  readonly rblWarnings: readonly string[];
  /** Text of X-Greylist ("delayed 312 seconds by …"), or null. */
  readonly greylist: string | null;
  /** Results of sender authentication in the words of RFC 8601 ("spf=pass smtp.mailfrom=…"), empty = "none"; null = not verified. */
  readonly authResults: readonly string[] | null;
  readonly received: ReceivedFacts;
}

export interface Removal {
  readonly index: number;
  readonly name: string;
}

/** Most Subject fields that get the tag, and most RBL warnings written. */
const MAX_REPEATS = 10;
const MAX_AUTH_RESULTS = 20;
const FORGEABLE = new Set(["x-rbl-warning", "x-greylist", "x-quarantine-id"]);

/**
 * The edits for one recipient. Prepended lines stand in the message in this order, Received first; indices of the other
 * edits ascend and none occurs twice.
 */
export function headerEdits(input: EditInput): readonly Edit[] {
  const lines = [receivedLine(input.received)];
  const add = (name: string, text: string): void => {
    lines.push(fieldLine(name, headerText(text)));
  };
  if (input.authResults !== null && input.local)
    lines.push(authenticationResults(input.hostname, input.authResults));
  for (const text of input.rblWarnings.slice(0, MAX_REPEATS)) add("X-RBL-Warning", text);
  if (input.greylist !== null) add("X-Greylist", input.greylist);
  if (input.quarantined && input.local) add("X-Quarantine-ID", `<${input.mailId}>`);
  if (input.virusScanned) add("X-Virus-Scanned", `${input.product} at ${input.hostname}`);
  if (input.local) lines.push(...alertFields(input));
  if (input.local && input.spam !== null) lines.push(...spamFields(input.spam));
  const subject = subjectEdits(input);
  const rest: Edit[] = removals(input).map(({ index }) => ({ do: "remove", index }));
  for (const edit of subject) if (edit.do !== "prepend") rest.push(edit);
  rest.sort((a, b) => indexOf(a) - indexOf(b));
  const prepends = lines.map((line): Edit => ({ do: "prepend", line }));
  return [...prepends, ...subject.filter((edit) => edit.do === "prepend"), ...rest];
}

/**
 * Fields of an inbound message that speak in our name or steer the filters of users, by position. Empty for outbound
 * mail and behind a trusted relay. The caller notes them.
 */
export function removals(
  input: Pick<EditInput, "origin" | "trusted" | "fields" | "hostname">,
): readonly Removal[] {
  if (input.origin === "outbound" || input.trusted) return [];
  const found: Removal[] = [];
  input.fields.forEach(({ name, value }, index) => {
    const key = name.toLowerCase();
    const ours =
      key.startsWith("x-spam-") ||
      key.startsWith("x-amavis-") ||
      FORGEABLE.has(key) ||
      (key === "authentication-results" && bearsId(value, input.hostname));
    if (ours) found.push({ index, name });
  });
  return found;
}

/** The X-Amavis-Alert fields for the categories that are present; the quarantine copy carries them too. */
export function alertFields(
  found: Pick<EditInput, "viruses" | "banned" | "malformed">,
): readonly string[] {
  const lines: string[] = [];
  const alert = (text: string): void => {
    lines.push(fieldLine("X-Amavis-Alert", headerText(text)));
  };
  if (found.viruses.length > 0) {
    alert(`INFECTED, message contains virus: ${found.viruses.slice(0, 50).join(", ")}`);
  }
  if (found.banned !== null) alert(`BANNED, message contains ${found.banned}`);
  if (found.malformed !== null) alert(`BAD HEADER SECTION, ${found.malformed}`);
  return lines;
}

/** RFC 8601 2.2; a field that bears our id and was not made here has been removed (removals). */
function authenticationResults(hostname: string, results: readonly string[]): string {
  const shown = results.length === 0 ? ["none"] : results.slice(0, MAX_AUTH_RESULTS);
  return fieldLine("Authentication-Results", [hostname, ...shown].join("; "));
}

function subjectEdits(input: EditInput): Edit[] {
  const { spam, subjectTag: tag } = input;
  if (tag === null || tag === "" || !input.local || spam === null || spam.score < spam.tag2)
    return [];
  const edits: Edit[] = [];
  input.fields.forEach(({ name, value }, index) => {
    if (name.toLowerCase() !== "subject" || edits.length >= MAX_REPEATS) return;
    edits.push({ do: "replace", index, line: taggedSubject(tag, value) });
  });
  if (edits.length === 0) edits.push({ do: "prepend", line: taggedSubject(tag, "") });
  return edits;
}

function taggedSubject(tag: string, value: string): string {
  const bare = tag.trim();
  const rest = reencodedText(value.split(bare).join("").trim());
  const ascii = headerText(bare) === bare;
  // White space between two encoded words is not shown (RFC 2047 6.2): the space of the tag goes into its word.
  const front = ascii ? bare : encodedWords(rest.startsWith("=?") ? `${bare} ` : bare);
  return fieldLine("Subject", `${front} ${rest}`);
}

/** True when the authserv-id (RFC 8601 2.2) is `hostname`; comments before it are skipped. */
function bearsId(value: string, hostname: string): boolean {
  let text = value.slice(0, 2_000).trimStart();
  while (text.startsWith("(")) {
    const end = commentEnd(text);
    if (end < 0) return false;
    text = text.slice(end).trimStart();
  }
  const id = text.startsWith('"') ? /^"([^"]*)"/.exec(text)?.[1] : /^[^\s;(/]+/.exec(text)?.[0];
  return id !== undefined && id.toLowerCase().replace(/\.$/, "") === hostname.toLowerCase();
}

function commentEnd(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (c === "\\") at += 1;
    else if (c === "(") depth += 1;
    else if (c === ")" && (depth -= 1) === 0) return at + 1;
  }
  return -1;
}

function indexOf(edit: Edit): number {
  return edit.do === "prepend" ? -1 : edit.index;
}
