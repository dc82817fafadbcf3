// S/MIME (CMS, RFC 5652; RFC 8551 3.5): a signed message that carries its content within the signature, as mail programs unwrap it; a
// compressed one, which few do; an encrypted one. BER with definite and indefinite lengths, read by random access.
import { Broken } from "./format.ts";
import type { Format, Member, Report } from "./format.ts";
import type { Octets } from "./octets.ts";

const SIGNED = "2a864886f70d010702";
const ENVELOPED = "2a864886f70d010703";
const ENCRYPTED = "2a864886f70d010706";
const AUTH_ENVELOPED = "2a864886f70d0109100117";
const COMPRESSED = "2a864886f70d0109100109";

export const cms: Format = {
  name: "cms",
  kinds: ["p7m"],
  *members(file, report) {
    const info = elementAt(file, 0);
    const type = elementAt(file, info.content);
    const what = file.read(type.content, type.size ?? 0).toString("hex");
    if (what === ENVELOPED || what === ENCRYPTED || what === AUTH_ENVELOPED) {
      report.encrypted();
      return;
    }
    if (what === COMPRESSED) {
      report.defect("container-unsupported", "compressed S/MIME");
      return;
    }
    if (what === SIGNED) yield* signedContent(file, type.end, report);
  },
};

const SEQUENCE = 0x30;
const OCTET_STRING = 0x04;
const CONSTRUCTED = 0x20;
const EXPLICIT_0 = 0xa0;
const MAX_SIBLINGS = 16;
const MAX_DEPTH = 8;
const PIECE = 64 * 1024;

interface Element {
  readonly tag: number;
  /** Where its content starts. */
  readonly content: number;
  /** Octets of its content; null when an end mark ends it. */
  readonly size: number | null;
  /** Where the next element starts; the start of the content when the size is not told. */
  readonly end: number;
}

/** The element at this offset. Throws Broken when there is none. */
function elementAt(file: Octets, at: number): Element {
  const head = file.read(at, 7);
  const length = head[1];
  if (length === undefined) throw new Broken("an element leads out of the file");
  const tag = head[0]!;
  if (length === 0x80) return { tag, content: at + 2, size: null, end: at + 2 };
  const more = length < 0x80 ? 0 : length & 0x7f;
  if (more > 5 || head.length < 2 + more) throw new Broken("the length of an element is none");
  const size = more === 0 ? length : head.readUIntBE(2, more);
  const content = at + 2 + more;
  return { tag, content, size, end: content + size };
}

/** SignedData at [0]: version, digest algorithms, then the content: its type and, unless it lies elsewhere, [0] with the octets. */
function* signedContent(file: Octets, at: number, report: Report): Generator<Member> {
  const explicit = elementAt(file, at);
  const data = elementAt(file, explicit.content);
  const version = elementAt(file, data.content);
  const digests = elementAt(file, version.end);
  const inner = elementAt(file, skipped(file, digests));
  if (inner.tag !== SEQUENCE) throw new Broken("no content in the signed data");
  const type = elementAt(file, inner.content);
  if (inner.size !== null && type.end >= inner.end) return;
  const holder = elementAt(file, type.end);
  if (holder.tag !== EXPLICIT_0) return;
  const string = elementAt(file, holder.content);
  if ((string.tag & ~CONSTRUCTED) !== OCTET_STRING) {
    report.defect("container-unsupported", "signed content that is no octets");
    return;
  }
  yield {
    names: [],
    what: "file",
    type: "message/rfc822",
    octets: () => stringOctets(file, string, 0).pieces,
  };
}

/** Where the element behind this one starts, its end mark skipped when its length is not told. */
function skipped(file: Octets, element: Element): number {
  if (element.size !== null) return element.end;
  let at = element.content;
  for (let i = 0; i < MAX_SIBLINGS; i++) {
    const next = elementAt(file, at);
    if (next.tag === 0 && next.size === 0) return next.end;
    if (next.size === null) break;
    at = next.end;
  }
  throw new Broken("an element without end");
}

/** The octets of a string, which may consist of strings; `next.at` is where what follows it starts, once they were read. */
function stringOctets(
  file: Octets,
  { tag, content, size, end }: Element,
  depth: number,
): { pieces: Generator<Buffer>; next: { at: number } } {
  const next = { at: end };
  const read = function* (): Generator<Buffer> {
    if ((tag & CONSTRUCTED) === 0) {
      const stop = Math.min(file.size, end);
      for (let at = content; at < stop; at += PIECE)
        yield file.read(at, Math.min(PIECE, stop - at));
      if (end > file.size) throw new Broken("the signed content is cut off");
      return;
    }
    if (depth >= MAX_DEPTH) throw new Broken("strings nested too deep");
    let at = content;
    while (size === null || at < end) {
      const part = elementAt(file, at);
      if (size === null && part.tag === 0 && part.size === 0) {
        next.at = part.end;
        return;
      }
      if ((part.tag & ~CONSTRUCTED) !== OCTET_STRING) throw new Broken("a string of other things");
      const inner = stringOctets(file, part, depth + 1);
      yield* inner.pieces;
      at = inner.next.at;
    }
  };
  return { pieces: read(), next };
}
