// A container format for tests: "OggS BOX\n" (which the magic takes for a Ogg file), then one JSON object on the rest of each line. Members can hold text, octets in base64, endless
// zeros, or misbehave on demand. And the deep reading without a thread, for tests that look at what it finds.
import { tmpdir } from "node:os";
import type { Tree } from "../../src/mail/message.ts";
import { DEFAULT_WALK_LIMITS } from "../../src/mail/mime.ts";
import {
  Budget,
  DEFAULT_DEEP_LIMITS,
  LimitHit,
  type DeepLimits,
} from "../../src/content/budget.ts";
import { Broken, type Format, type Member } from "../../src/content/containers/format.ts";
import { octetsOf, type Octets } from "../../src/content/containers/octets.ts";
import { Graft } from "../../src/content/graft.ts";
import { looksInto } from "../../src/content/looks-into.ts";
import type { OtherReadings } from "../../src/content/read-others.ts";
import { readTree } from "../../src/content/tree.ts";
import { readMail } from "../../src/content/walk-mail.ts";
import { oneBuffer } from "../../src/engine/report.ts";

export interface BoxMember {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly what?: Member["what"];
  readonly type?: string;
  readonly text?: string;
  readonly base64?: string;
  /** Its text octet by octet, each in the same place. */
  readonly reuse?: true;
  /** So many octets of zeros. */
  readonly zeros?: number;
  /** The whole box again, as its own member. */
  readonly self?: true;
  readonly encrypted?: true;
  /** After its octets: "broken", or an error of the format's own. */
  readonly then?: "broken" | "bug";
  /** Instead of a member. */
  readonly do?:
    "broken" | "bug" | "loop" | "exit" | "grow" | "macro" | "kind" | "locked" | "complain";
}

const encoder = (one: BoxMember): string => JSON.stringify(one);

/** A box with these members. */
export function box(...members: readonly BoxMember[]): Buffer {
  return Buffer.from(["OggS BOX", ...members.map(encoder), ""].join("\n"));
}

export const boxes: Format = {
  name: "box",
  kinds: ["ogg"],
  extensions: ["box"],
  suffixes: { bx: "", tbx: "tar" },
  *members(file, report) {
    const lines = file.read(0, file.size).toString("utf8").split("\n");
    if (lines.shift() !== "OggS BOX") throw new Broken("no box");
    for (const line of lines) {
      if (line === "") continue;
      const one = JSON.parse(line) as BoxMember;
      if (one.do === "broken") throw new Broken("a hole in the box");
      if (one.do === "bug") throw new TypeError("bug in the box");
      if (one.do === "loop") for (;;);
      if (one.do === "exit") process.exit(1);
      if (one.do === "grow") grow();
      if (one.do === "macro") report.attribute("MACRO");
      else if (one.do === "kind") report.kind("docbox");
      else if (one.do === "locked") report.encrypted();
      else if (one.do === "complain") report.defect("container-hidden-member", "one");
      else yield memberOf(one, file);
    }
  },
};

/** Takes memory outside the heap, without end. */
function grow(): never {
  const held: Buffer[] = [];
  for (let n = 0; ; n++) if (n % 20_000_000 === 0) held.push(Buffer.alloc(16 << 20, 1));
}

function memberOf(one: BoxMember, file: Octets): Member {
  const names = one.names ?? (one.name === undefined ? [] : [one.name]);
  const facts = {
    names,
    what: one.what ?? "file",
    ...(one.type !== undefined && { type: one.type }),
    ...(one.encrypted === true && { encrypted: true }),
  } as const;
  if (one.encrypted === true || facts.what !== "file") return facts;
  return { ...facts, octets: () => octetsOfMember(one, file) };
}

function* octetsOfMember(one: BoxMember, file: Octets): Generator<Buffer> {
  const text = Buffer.from(one.text ?? "");
  const place = Buffer.alloc(one.reuse === true ? 1 : text.length);
  for (let at = 0; at < text.length; at += place.length) {
    text.copy(place, 0, at);
    yield place;
  }
  if (one.base64 !== undefined) yield Buffer.from(one.base64, "base64");
  if (one.self === true) yield file.read(0, file.size);
  const zeros = Buffer.alloc(64 * 1024);
  for (let left = one.zeros ?? 0; left > 0; left -= zeros.length)
    yield zeros.subarray(0, Math.min(left, zeros.length));
  if (one.then === "broken") throw new Broken("the member is cut");
  if (one.then === "bug") throw new TypeError("bug in the member");
}

/** A multipart with text and these attachments, in base64. */
export function mailWith(
  ...attachments: readonly {
    readonly name: string;
    readonly octets: Buffer;
    readonly type?: string;
  }[]
): Buffer {
  const parts = attachments.map(({ name, octets, type = "application/octet-stream" }) =>
    [
      "--b",
      `Content-Type: ${type}; name="${name}"`,
      "Content-Transfer-Encoding: base64",
      "",
      ...(octets.toString("base64").match(/.{1,76}/g) ?? []),
      "",
    ].join("\r\n"),
  );
  const head =
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n";
  return Buffer.from(`${head}${parts.join("")}--b--\r\n`);
}

export interface Read {
  readonly tree: Tree;
  readonly payloads: readonly (readonly [string, string])[];
  readonly budget: Budget;
}

/** The deep reading of a message here and now, without its main side. */
export async function readHere(
  message: Buffer,
  limits: Partial<DeepLimits> = {},
  formats: readonly Format[] = [boxes],
  others: OtherReadings = () => [],
  directory = tmpdir(),
): Promise<Read> {
  const graft = new Graft(await readTree(oneBuffer(message)));
  const budget = new Budget({ ...DEFAULT_DEEP_LIMITS, ...limits }, message.length);
  const payloads: [string, string][] = [];
  try {
    await readMail(octetsOf(message), null, 0, {
      budget,
      walk: DEFAULT_WALK_LIMITS,
      room: { directory, looks: looksInto(formats) },
      tell: (note) => graft.take(JSON.parse(JSON.stringify(note))),
      payload: (path, octets) => payloads.push([path, octets.toString("latin1")]),
      others,
    });
  } catch (error) {
    if (!(error instanceof LimitHit)) throw error;
    graft.unread(error.sentence);
  }
  return { tree: graft.tree([]), payloads, budget };
}

/** One line per part: path, names, kinds, defects. */
export function listed({ parts }: Tree): string[] {
  return parts.map(({ path, names, kinds, defects }) =>
    [path, names.join("|"), kinds.join(","), defects.map(({ kind }) => kind).join(",")]
      .join(" ")
      .trimEnd(),
  );
}
