// Message text as it comes in DATA (RFC 5321 4.1.1.4, 4.5.2): where it ends, what its dots mean, and its line ends. Only
// CRLF.CRLF ends the data and only a dot after CRLF is stuffing. Whatever came, what goes on has CRLF line ends and
// nothing else, so that no reader behind us can find an end of data that we did not see. Called by the SMTP listener; the
// way out is dot-stuff.ts.

const NUL = 0;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOT = 46;

/** Where the reader stands; what is undecided at the end of a chunk is held back in the state, never in a buffer. */
const IN_LINE = 0;
/** After CR, which is held back: half a line end, or a bare CR. */
const AFTER_CR = 1;
/** At the start of the data or after a real CRLF. A bare LF does not lead here. */
const AT_START = 2;
/** After a dot at the start of a line, which is dropped whatever follows. */
const AFTER_DOT = 3;
/** After that dot and a CR, which is held back: the end of data, or a bare CR. */
const AFTER_DOT_CR = 4;
const ENDED = 5;

/** How often each thing occurred that RFC 5321 2.3.8 and 4.5.2 forbid in message text. */
export interface LineFaults {
  readonly bareCr: number;
  readonly bareLf: number;
  readonly nul: number;
}

/**
 * Reads the octets after 354 up to the end of data, chunk by chunk, independently of how they were cut.
 *
 * Content comes out with stuffing removed and faults mended: a bare LF becomes CRLF (the text looks as its writer saw it);
 * a bare CR becomes a space, as Postfix does (a reader that took it for a line end would see other fields than we do;
 * CR CR LF is one bare CR and one line end, so that "CRLF.CRCRLF" is no end of data); NUL becomes a space (readers in C stop
 * at it; dropping it would join what stood apart). All three are counted: a listener may refuse the message for them.
 */
export class DataReader implements LineFaults {
  bareCr = 0;
  bareLf = 0;
  nul = 0;
  /** Octets of content put out so far. */
  size = 0;
  #state = AT_START;

  /** True when the message is not what its sender may send; it was mended. */
  get faulty(): boolean {
    return this.bareCr + this.bareLf + this.nul > 0;
  }

  /**
   * Takes one chunk and appends its content to `out` (views of the chunk where nothing had to be changed). Returns the
   * index behind the end of data, or -1 when the whole chunk was taken and more must come. Not to be called after the end.
   */
  feed(chunk: Buffer, out: Buffer[]): number {
    if (chunk.length === 0) return -1;
    let from = 0;
    const first = chunk[0];
    if (this.#state === AFTER_CR && first === LF) {
      this.#put(CRLF, out);
      from = 1;
      this.#state = AT_START;
    }
    if (this.#state === AT_START && from < chunk.length && chunk[from] !== DOT)
      this.#state = IN_LINE;
    if (this.#state !== IN_LINE) return this.#rewrite(chunk, from, out);

    const stop = endOfClean(chunk, from);
    if (isEnd(chunk, stop)) {
      this.#put(from === 0 ? chunk.subarray(0, stop + 2) : chunk.subarray(from, stop + 2), out);
      this.#state = ENDED;
      return stop + 5;
    }
    if (stop === chunk.length) {
      this.#put(from === 0 ? chunk : chunk.subarray(from), out);
      return -1;
    }
    if (stop > from) this.#put(chunk.subarray(from, stop), out);
    return this.#rewrite(chunk, stop, out);
  }

  #put(piece: Buffer, out: Buffer[]): void {
    this.size += piece.length;
    out.push(piece);
  }

  /** The careful way, octet by octet into a fresh buffer, from `from` to the end of the chunk or of the data. */
  #rewrite(chunk: Buffer, from: number, out: Buffer[]): number {
    let to = Buffer.allocUnsafeSlow(chunk.length - from + 4);
    let length = 0;
    let state = this.#state;
    let at = from;
    for (; at < chunk.length && state !== ENDED; at++) {
      const octet = chunk[at] as number;
      if (state === IN_LINE && octet > CR) {
        to[length++] = octet;
        if (length + 3 > to.length) to = grown(to, length);
        continue;
      }
      const before = state;
      state = next(before, octet);
      if (before === AFTER_CR || before === AFTER_DOT_CR) {
        if (octet !== LF) {
          this.bareCr++;
          to[length++] = SPACE;
        } else if (before === AFTER_CR) {
          to[length++] = CR;
          to[length++] = LF;
        }
      }
      if (state === IN_LINE) {
        if (octet === LF) {
          this.bareLf++;
          to[length++] = CR;
        } else if (octet === NUL) this.nul++;
        to[length++] = octet === NUL ? SPACE : octet;
      }
      if (length + 3 > to.length) to = grown(to, length);
    }
    this.#state = state;
    if (length > 0) this.#put(to.subarray(0, length), out);
    return state === ENDED ? at : -1;
  }
}

const CRLF = Buffer.from("\r\n");

function next(state: number, octet: number): number {
  if (octet === LF) {
    if (state === AFTER_CR) return AT_START;
    return state === AFTER_DOT_CR ? ENDED : IN_LINE;
  }
  if (octet === CR) return state === AFTER_DOT ? AFTER_DOT_CR : AFTER_CR;
  return octet === DOT && state === AT_START ? AFTER_DOT : IN_LINE;
}

/** Index of the first octet at or after `from` that is not plain text or a CRLF with something but a dot behind it. */
function endOfClean(chunk: Buffer, from: number): number {
  const { length, byteOffset } = chunk;
  const shift = -byteOffset & 3;
  const words = new Int32Array(chunk.buffer, byteOffset + shift, Math.max(0, length - shift) >> 2);
  let at = from;
  while (at < length) {
    if (((at - shift) & 3) === 0 && at >= shift) {
      let word = (at - shift) >> 2;
      while (word < words.length && isPlain(words[word] as number)) word++;
      at = (word << 2) + shift;
      if (at >= length) break;
    }
    // The octets of one word, or those before the first and behind the last.
    do {
      const octet = chunk[at] as number;
      if (octet === CR) {
        if (at + 2 >= length || chunk[at + 1] !== LF || chunk[at + 2] === DOT) return at;
        at += 2;
      } else if (octet === LF || octet === NUL) return at;
      else at++;
    } while (at < length && ((at - shift) & 3) !== 0);
  }
  return length;
}

/** True when none of the four octets is below 14; four at a time, since this looks at every octet of all mail. */
function isPlain(word: number): boolean {
  return ((word - 0x0e0e0e0e) & ~word & 0x80808080) === 0;
}

/** True when CRLF.CRLF stands whole at `at`. */
function isEnd(chunk: Buffer, at: number): boolean {
  return (
    at + 5 <= chunk.length &&
    chunk[at] === CR &&
    chunk[at + 1] === LF &&
    chunk[at + 2] === DOT &&
    chunk[at + 3] === CR &&
    chunk[at + 4] === LF
  );
}

/** Bare LFs make text longer: a larger copy of the first `length` octets. */
function grown(buffer: Buffer, length: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(buffer.length * 2 + 64);
  buffer.copy(larger, 0, 0, length);
  return larger;
}
