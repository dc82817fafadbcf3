// The MIME walker (RFC 2045, RFC 2046): octets are pushed in, parts come out. Linear time; memory beyond one header is
// constant. It splits multiparts, goes into message/rfc822 (encoded or not), undoes the transfer encodings and reports
// whatever two readers could take differently. What the octets of a part mean is content's business, behind Sink.
import { boundaries, MAX_DELIMITER } from "./boundaries.ts";
import type { Boundaries, Delimiter } from "./boundaries.ts";
import { defect } from "./defects.ts";
import type { DefectKind } from "./defects.ts";
import { entityOf, noteOnce } from "./entity.ts";
import type { Entity } from "./entity.ts";
import { USUAL, type Habits } from "./habits.ts";
import { lineInHeader, parseHeader } from "./header.ts";
import { lineChange } from "./line-habits.ts";
import { decoder } from "./transfer.ts";
import type { Decoder } from "./transfer.ts";

export interface WalkLimits {
  readonly maxParts: number;
  readonly maxDepth: number;
  /** Octets of each part's header. */
  readonly maxHeaderBytes: number;
}

export const DEFAULT_WALK_LIMITS: WalkLimits = {
  maxParts: 10_000,
  maxDepth: 100,
  maxHeaderBytes: 1024 * 1024,
};

/** Who takes the parts. Parts open in document order, parents before children; a part closes after its children. */
export interface Sink {
  open(entity: Entity): void;
  /**
   * Decoded octets of a leaf; of a container its own octets (preamble, epilogue). Never empty. Those of the first call for an
   * entity stay as long as what was written stays, all others are overwritten by the next.
   */
  data(entity: Entity, octets: Buffer): void;
  /** `size` counts the part's content as it stands in what encloses it, before any decoding. */
  close(entity: Entity, size: number): void;
}

export interface Walker {
  /** Takes the next octets, which must not be changed while it is paused; goes on with those that a pause left. */
  write(chunk: Buffer): void;
  /** True when `due` made it stop amid the octets: write an empty buffer to go on. */
  readonly paused: boolean;
  /** Closes all parts that are open. Nothing may be written after it. */
  end(): void;
  /** Which limit stopped the walk, in words; null when all was looked at. */
  readonly overLimit: string | null;
}

interface Frame {
  readonly entity: Entity;
  /** Absolute offset of the content's first octet. */
  readonly start: number;
  readonly decoder: Decoder | null;
  /** The walker of an encoded message's decoded octets. */
  readonly inner: Walk | null;
  children: number;
  closed: boolean;
  junkNoted: boolean;
  /** True in the walker of an encoded multipart's decoded octets for that multipart, which is open outside already. */
  readonly lent: boolean;
}

/** Counters that an encoded message shares with the message around it. */
interface Shared {
  readonly sink: Sink;
  readonly limits: WalkLimits;
  parts: number;
  overLimit: string | null;
  /** True when nothing more is read. */
  stopped: boolean;
  /** True when others should get their turn. */
  readonly due: () => boolean;
  readonly habits: Habits;
}

const DASHES_AT_LINE_START = Buffer.from("\n--");
const DASHES_AFTER_CR = Buffer.from("\r--");
const EMPTY = Buffer.alloc(0);
const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;

/**
 * A walker over one message that reports to `sink`. Never throws, unless the sink does. `due` is asked after each part
 * and each delimiter whether to pause: a few KiB can hold a thousand parts. `habits` other than the usual ones give another
 * reading of the same octets.
 */
export function walker(
  sink: Sink,
  limits: WalkLimits = DEFAULT_WALK_LIMITS,
  due: () => boolean = () => false,
  habits: Habits = USUAL,
): Walker {
  return new Walk({ sink, limits, parts: 0, overLimit: null, stopped: false, due, habits }, null);
}

class Walk implements Walker {
  readonly #shared: Shared;
  /** The encoded part whose decoded octets are walked here; null for the message itself. */
  readonly #host: Entity | null;
  readonly #change: ((piece: Buffer) => Buffer) | null;
  readonly #stack: Frame[] = [];
  readonly #boundaries: Boundaries<Frame> = boundaries();
  /** Octets that wait for more: a line that may be a delimiter, the line end before it. */
  #rest: Buffer = EMPTY;
  /** Absolute offset of the first octet of #rest. */
  #offset = 0;
  /** Pieces of the header being read; null while reading a body. */
  #header: Buffer[] | null = [];
  #headerBytes = 0;
  /** True when the next octet continues a line of which part was handed on already. */
  #midLine = false;
  /** In a body: how many octets of #rest are the line end that a delimiter would own. */
  #heldBreak = 0;
  #paused = false;
  /** The octets in which dashes were looked for last, and where they are next behind LF and behind CR (-1: nowhere). */
  #lookedIn: Buffer = EMPTY;
  #nextLf = -1;
  #nextCr = -1;

  constructor(shared: Shared, host: Entity | null) {
    this.#shared = shared;
    this.#host = host;
    this.#change = lineChange(shared.habits.lines);
    if (host?.structure !== "multipart") return;
    this.#header = null;
    const frame = frameOf(host, 0, null, null, true);
    this.#stack.push(frame);
    this.#boundaries.add(host.boundary, frame);
  }

  get overLimit(): string | null {
    return this.#shared.overLimit;
  }

  get paused(): boolean {
    return this.#paused;
  }

  write(chunk: Buffer): void {
    this.#run(this.#change === null ? chunk : this.#change(chunk), false);
  }

  end(): void {
    while (this.#paused) this.#run(EMPTY, false);
    this.#run(EMPTY, true);
    if (this.#header !== null && !this.#shared.stopped) this.#headerDone(this.#offset, false);
    while (this.#stack.length > 0) this.#pop(this.#offset, "missing-end-boundary");
  }

  #run(chunk: Buffer, final: boolean): void {
    const bytes = joined(this.#rest, chunk);
    const inner = this.#stack.at(-1)?.inner;
    if (inner?.paused === true) inner.write(EMPTY);
    this.#paused = false;
    let at = 0;
    for (let more = true; more;) {
      if (this.#shared.stopped) {
        at = bytes.length;
        break;
      }
      if (!final && (this.#innerPaused() || (at > 0 && this.#shared.due()))) {
        this.#paused = true;
        break;
      }
      const next =
        this.#header === null
          ? this.#readBody(bytes, at, final)
          : this.#readHeader(bytes, at, final);
      more = next >= 0;
      at = more ? next : ~next;
    }
    this.#paused ||= !final && this.#innerPaused();
    this.#offset += at;
    const rest = bytes.subarray(at);
    // A copy of a few octets, so that they do not keep the whole chunk alive.
    this.#rest = this.#paused ? rest : rest.length > 0 ? Buffer.from(rest) : EMPTY;
  }

  #innerPaused(): boolean {
    return this.#stack.at(-1)?.inner?.paused === true;
  }

  /** Reads header lines. Returns where to go on, or the complement of where the used octets end: more are needed. */
  #readHeader(bytes: Buffer, at: number, final: boolean): number {
    let line = at;
    while (line < bytes.length) {
      const lf = bytes.indexOf(LF, line);
      const stop = lf < 0 ? bytes.length : lf;
      if (lf < 0 && !final && !this.#midLine && stop - line < MAX_DELIMITER) break;
      const next = lf < 0 ? stop : lf + 1;
      if (!this.#midLine) {
        if (bytes[line] === LF || (bytes[line] === CR && bytes[line + 1] === LF)) {
          this.#keepHeader(bytes, at, next);
          this.#headerDone(this.#offset + next, false);
          return next;
        }
        const { habits } = this.#shared;
        const delimiter = habits.boundaryCutsHeader ? this.#delimiterAt(bytes, line, stop) : null;
        if (delimiter !== null) {
          this.#keepHeader(bytes, at, line);
          this.#headerDone(this.#offset + line, this.#headerBytes > 0);
          if (!this.#shared.stopped) this.#enter(delimiter, this.#offset + line);
          return next;
        }
        if (habits.garbageEndsHeader) {
          const what = lineInHeader(bytes, line, stop, this.#headerBytes + line - at === 0);
          if (what !== "field") {
            this.#keepHeader(bytes, at, line);
            this.#headerDone(this.#offset + line, false);
            return what === "empty" ? next : line;
          }
        }
      }
      this.#midLine = lf < 0;
      line = next;
    }
    this.#keepHeader(bytes, at, line);
    if (this.#headerBytes > this.#shared.limits.maxHeaderBytes) {
      this.#headerDone(this.#offset + line, false);
      return line;
    }
    return ~line;
  }

  #keepHeader(bytes: Buffer, from: number, to: number): void {
    // A copy: the chunk may be gone before the header is complete, and the fields are read even later.
    if (to > from) this.#header!.push(Buffer.from(bytes.subarray(from, to)));
    this.#headerBytes += to - from;
  }

  /** Hands body octets on up to the next delimiter; returns as #readHeader does. */
  #readBody(bytes: Buffer, at: number, final: boolean): number {
    const { length } = bytes;
    if (this.#boundaries.count === 0) {
      this.#emit(bytes, at, length);
      return ~length;
    }
    let line = at + this.#heldBreak;
    let candidate = !this.#midLine && bytes[line] === DASH && bytes[line + 1] === DASH;
    if (!this.#midLine && !final) {
      // Nothing new, or one dash of perhaps two.
      if (line >= length || (line + 1 === length && bytes[line] === DASH)) return ~at;
    }
    let look = line;
    for (;;) {
      if (!candidate) {
        const found = this.#nextDashes(bytes, look);
        if (found < 0) break;
        line = found + 1;
        this.#heldBreak = bytes[found] === LF && found > at && bytes[found - 1] === CR ? 2 : 1;
      }
      if (!this.#boundaries.mayStart(bytes[line + 2])) {
        candidate = false;
        look = line;
        continue;
      }
      const start = line - this.#heldBreak;
      const lf = bytes.subarray(line, line + MAX_DELIMITER + 1).indexOf(LF);
      if (lf < 0 && !final && length - line < MAX_DELIMITER) {
        this.#midLine = false;
        this.#emit(bytes, at, start);
        return ~start;
      }
      const stop = lf < 0 ? Math.min(length, line + MAX_DELIMITER) : line + lf;
      const bare = line > at && bytes[line - 1] === CR;
      if (bare) this.#noteBareCr(bytes, line, stop);
      const delimiter = bare ? null : this.#delimiterAt(bytes, line, stop);
      if (delimiter !== null) {
        this.#emit(bytes, at, start);
        if (this.#innerPaused()) {
          // The part must be read to its end before the delimiter closes it: come here again.
          this.#midLine = false;
          return start;
        }
        this.#enter(delimiter, this.#offset + start);
        return lf < 0 ? stop : stop + 1;
      }
      candidate = false;
      look = line;
    }
    const end = final ? length : this.#holdBreak(bytes, at);
    this.#emit(bytes, at, end);
    return ~end;
  }

  /** Index of the next line end, or bare CR, with "--" behind it; -1 when there is none. */
  #nextDashes(bytes: Buffer, from: number): number {
    // Each is looked up once per octet: a few KiB can hold a thousand of one and none of the other.
    if (this.#lookedIn !== bytes || (this.#nextLf >= 0 && this.#nextLf < from))
      this.#nextLf = bytes.indexOf(DASHES_AT_LINE_START, from);
    if (this.#lookedIn !== bytes || (this.#nextCr >= 0 && this.#nextCr < from))
      this.#nextCr = bytes.indexOf(DASHES_AFTER_CR, from);
    this.#lookedIn = bytes;
    const crFirst = this.#nextLf < 0 || (this.#nextCr >= 0 && this.#nextCr < this.#nextLf);
    return crFirst ? this.#nextCr : this.#nextLf;
  }

  /** Notes a delimiter that only a reader sees who takes a bare CR for a line end. */
  #noteBareCr(bytes: Buffer, line: number, stop: number): void {
    const cr = bytes.subarray(line, stop).indexOf(CR);
    const found = this.#boundaries.match(bytes, line, cr < 0 ? stop : line + cr);
    if (found !== null) noteOnce(found.owner.entity, "bare-cr-before-boundary");
  }

  /** Where the octets start that may belong to a delimiter of which only the start has come; keeps what they are. */
  #holdBreak(bytes: Buffer, at: number): number {
    const { length } = bytes;
    this.#heldBreak = 0;
    this.#midLine = true;
    if (bytes[length - 1] === CR) return length - 1;
    if (bytes[length - 1] === DASH && bytes[length - 2] === CR) return Math.max(at, length - 2);
    const lf = bytes[length - 1] === DASH ? length - 2 : length - 1;
    if (lf < at || bytes[lf] !== LF) return length;
    this.#midLine = false;
    this.#heldBreak = lf > at && bytes[lf - 1] === CR ? 2 : 1;
    return lf + 1 - this.#heldBreak;
  }

  /** The delimiter on this line; null when there is none, or only something like one, which is noted. */
  #delimiterAt(bytes: Buffer, line: number, stop: number): Delimiter<Frame> | null {
    if (bytes[line] !== DASH || bytes[line + 1] !== DASH) return null;
    const long = stop - line >= MAX_DELIMITER;
    const found = this.#boundaries.match(bytes, line, long ? line + MAX_DELIMITER : stop);
    if (found === null) return null;
    const { habits } = this.#shared;
    if ((found.exact && !long) || habits.prefixes)
      return habits.innermostOnly && found.owner !== this.#innermost() ? null : found;
    if (!found.owner.closed && !found.owner.junkNoted) {
      found.owner.junkNoted = true;
      noteOnce(
        found.owner.entity,
        "boundary-with-junk",
        bytes.toString("latin1", line, Math.min(stop, line + 80)),
      );
    }
    return null;
  }

  /** The innermost multipart whose end has not come. */
  #innermost(): Frame | undefined {
    return this.#stack.findLast((one) => one.entity.structure === "multipart" && !one.closed);
  }

  /** Goes where a delimiter line leads: the next part, or the epilogue. `end` is where the part before it ends. */
  #enter(delimiter: Delimiter<Frame>, end: number): void {
    const frame = delimiter.owner;
    while (this.#stack.at(-1) !== frame) this.#pop(end, "unclosed-multipart");
    this.#heldBreak = 0;
    this.#midLine = false;
    this.#header = null;
    if (delimiter.closes) {
      frame.closed = true;
      if (this.#shared.habits.endIsFinal) this.#boundaries.remove(frame.entity.boundary, frame);
      return;
    }
    if (frame.closed) noteOnce(frame.entity, "boundary-after-end");
    frame.closed = false;
    this.#startPart(frame);
  }

  /** Gets ready to read the header of a child. */
  #startPart(frame: Frame): void {
    frame.children++;
    this.#header = [];
    this.#headerBytes = 0;
    this.#midLine = false;
  }

  /** The header of a part is complete; its content starts at the absolute offset `start`. */
  #headerDone(start: number, cut: boolean): void {
    const shared = this.#shared;
    const around = this.#stack.at(-1);
    const parent = around?.entity ?? this.#host;
    if (++shared.parts > shared.limits.maxParts) {
      if (parent !== null) noteOnce(parent, "too-many-parts");
      this.#stop(`more than ${shared.limits.maxParts} parts`);
      return;
    }
    const pieces = this.#header!;
    const block = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    this.#header = null;
    this.#heldBreak = 0;
    this.#midLine = false;
    const { header, defects } = parseHeader(block, { maxBytes: shared.limits.maxHeaderBytes });
    if (cut) defects.push(defect("header-cut-by-boundary"));
    const path = parent === null ? "1" : `${parent.path}/${around?.children ?? 1}`;
    const place = { path, parent, depth: (parent?.depth ?? 0) + 1 };
    let entity = entityOf(header, place, defects, shared.habits);
    if (entity.depth >= shared.limits.maxDepth && entity.structure !== "leaf") {
      entity = { ...entity, structure: "leaf" };
      noteOnce(entity, "too-deep");
      shared.overLimit ??= `parts nested deeper than ${shared.limits.maxDepth}`;
    }
    this.#push(entity, start);
    const over = entity.defects.find(
      (d) => d.kind === "header-too-large" || d.kind === "too-many-fields",
    );
    if (over !== undefined) this.#stop(`header: ${over.detail}`);
  }

  #push(entity: Entity, start: number): void {
    const encoded = entity.encoding !== "identity";
    const { structure } = entity;
    const undo = encoded
      ? decoder(entity.encoding, structure === "leaf", this.#shared.habits)
      : null;
    const inner = encoded && structure !== "leaf" ? new Walk(this.#shared, entity) : null;
    const frame = frameOf(entity, start, undo, inner, false);
    this.#stack.push(frame);
    this.#shared.sink.open(entity);
    if (structure === "multipart" && !encoded) {
      const relation = this.#boundaries.add(entity.boundary, frame);
      if (relation === "reused") noteOnce(entity, "reused-boundary");
      else if (relation === "prefix") noteOnce(entity, "boundary-within-boundary");
    } else if (structure === "message" && !encoded) this.#startPart(frame);
  }

  #emit(bytes: Buffer, from: number, to: number): void {
    if (to <= from) return;
    const frame = this.#stack.at(-1)!;
    const octets = bytes.subarray(from, to);
    this.#deliver(frame, frame.decoder === null ? octets : frame.decoder.write(octets));
  }

  #deliver(frame: Frame, octets: Buffer): void {
    if (octets.length === 0) return;
    if (frame.inner === null) this.#shared.sink.data(frame.entity, octets);
    else frame.inner.write(octets);
  }

  #pop(end: number, unclosed: DefectKind): void {
    const frame = this.#stack.pop()!;
    const { entity } = frame;
    if (frame.decoder !== null) {
      this.#deliver(frame, frame.decoder.end());
      for (const kind of frame.decoder.faults) noteOnce(entity, kind);
    }
    frame.inner?.end();
    if (entity.structure === "multipart" && frame.inner === null) {
      this.#boundaries.remove(entity.boundary, frame);
      if (frame.children === 0) noteOnce(entity, "missing-first-boundary");
      else if (!frame.closed) noteOnce(entity, unclosed);
    }
    if (!frame.lent) this.#shared.sink.close(entity, Math.max(0, end - frame.start));
  }

  #stop(why: string): void {
    this.#shared.overLimit ??= why;
    this.#shared.stopped = true;
  }
}

function frameOf(
  entity: Entity,
  start: number,
  undo: Decoder | null,
  inner: Walk | null,
  lent: boolean,
): Frame {
  return {
    entity,
    start,
    decoder: undo,
    inner,
    children: 0,
    closed: false,
    junkNoted: false,
    lent,
  };
}

function joined(rest: Buffer, chunk: Buffer): Buffer {
  if (rest.length === 0) return chunk;
  return chunk.length === 0 ? rest : Buffer.concat([rest, chunk]);
}
