// BinHex 4.0 files in text (RFC 1741): six-bit characters between colons, run lengths, then a header, a data fork and a resource
// fork with a checksum each. Both forks are given as files. An encoding for text-files.ts.
import type { DefectKind } from "../mail/defects.ts";
import { gatherer, type Gatherer } from "./small-pieces.ts";
import type { OpenFile, TextEncoding, TextFileSink } from "./text-files.ts";

export const binHex: TextEncoding = {
  mark: "(This file must be converted with BinHex",
  open: (_line, sink) => new BinHexFile(sink),
};

const SIX_BITS = new Uint8Array(256).fill(64);
for (const [i, char] of [
  ..."!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr",
].entries())
  SIX_BITS[char.charCodeAt(0)] = i;

const COLON = 0x3a;
const RUN = 0x90;
/** Lines between the banner and the data. */
const MAX_GAP = 20;
/** Behind the name: version, type, creator, flags, two lengths, checksum. */
const HEADER_TAIL = 1 + 4 + 4 + 2 + 4 + 4 + 2;
/** A run length makes 255 octets of two; beyond this the file may be no more than ten times as large as its text. */
const FREE_EXPANSION = 16 * 1024 * 1024;

type Stage = "gap" | "header" | "data" | "data-sum" | "resource" | "resource-sum" | "done";

class BinHexFile implements OpenFile {
  readonly #sink: TextFileSink;
  readonly #out: Gatherer;
  #stage: Stage = "gap";
  #gap = 0;
  /** The six-bit characters of an unfinished group. */
  #bits = 0;
  #count = 0;
  /** The octet that a run repeats, and whether its length comes next. */
  #last = 0;
  #inRun = false;
  #header: number[] = [];
  #name = "";
  #resourceLength = 0;
  /** Octets that the stage still wants. */
  #left = 0;
  #sum = 0;
  #given: number[] = [];
  #begun = false;
  #fault: DefectKind | null = null;
  #read = 0;
  #made = 0;

  constructor(sink: TextFileSink) {
    this.#sink = sink;
    this.#out = gatherer((octets) => sink.data(octets));
  }

  take(line: Buffer): "more" | "over" | "done" {
    let at = 0;
    if (this.#stage === "gap") {
      if (line[0] !== COLON) return ++this.#gap > MAX_GAP ? "over" : "more";
      this.#stage = "header";
      at = 1;
    }
    this.#read += line.length;
    for (; at < line.length && this.#stage !== "done"; at++) {
      const octet = line[at]!;
      const six = SIX_BITS[octet]!;
      if (octet === COLON) {
        // A second colon: the data end here, whatever was promised.
        return "done";
      }
      if (six === 64) {
        if (octet === 0x20 || octet === 0x09 || octet === 0x0d) continue;
        return "over";
      }
      this.#bits = ((this.#bits << 6) | six) & 0xffff;
      this.#count += 6;
      if (this.#count < 8) continue;
      this.#count -= 8;
      this.#packed((this.#bits >> this.#count) & 0xff);
    }
    return this.#stage === "done" ? "done" : "more";
  }

  flush(): void {
    this.#out.flush();
  }

  end(): void {
    if (this.#begun) this.#endFork(this.#fault ?? "binhex-broken");
  }

  /** Undoes the run lengths. */
  #packed(octet: number): void {
    if (!this.#inRun) {
      if (octet === RUN) this.#inRun = true;
      else this.#octet((this.#last = octet));
      return;
    }
    this.#inRun = false;
    if (octet === 0) this.#octet((this.#last = RUN));
    for (let i = 1; i < octet && this.#stage !== "done"; i++) this.#octet(this.#last);
  }

  #octet(octet: number): void {
    switch (this.#stage) {
      case "header":
        this.#header.push(octet);
        if (this.#header.length === 1 + this.#header[0]! + HEADER_TAIL) this.#headerDone();
        return;
      case "data":
      case "resource":
        this.#forkOctet(octet);
        return;
      case "data-sum":
      case "resource-sum":
        this.#given.push(octet);
        if (this.#given.length === 2) this.#sumDone();
        return;
      case "gap":
      case "done":
    }
  }

  #headerDone(): void {
    const header = Buffer.from(this.#header);
    const length = header[0]!;
    this.#name = header.toString("latin1", 1, 1 + length);
    const lengths = 1 + length + 1 + 4 + 4 + 2;
    this.#resourceLength = header.readUInt32BE(lengths + 4);
    let sum = 0;
    for (const octet of header.subarray(0, -2)) sum = checksum(sum, octet);
    if (finished(sum) !== header.readUInt16BE(header.length - 2)) {
      // Not a header at all, or one that nobody can trust: the octets are gone with it.
      this.#fault = "binhex-broken";
    }
    this.#startFork("data", header.readUInt32BE(lengths));
  }

  #startFork(stage: "data" | "resource", length: number): void {
    this.#stage = length > 0 ? stage : stage === "data" ? "data-sum" : "resource-sum";
    this.#left = length;
    this.#sum = 0;
    this.#given = [];
    if (stage === "resource" && length === 0) return;
    this.#begun = true;
    this.#sink.begin(this.#name);
  }

  #forkOctet(octet: number): void {
    this.#sum = checksum(this.#sum, octet);
    const { out, at } = this.#out.room(1);
    out[at] = octet;
    this.#out.took(1);
    if (++this.#made > FREE_EXPANSION && this.#made > this.#read * 10) {
      this.#fault = "container-too-large";
      this.#endFork(this.#fault);
      this.#stage = "done";
      return;
    }
    if (--this.#left === 0) this.#stage = this.#stage === "data" ? "data-sum" : "resource-sum";
  }

  #sumDone(): void {
    const right = finished(this.#sum) === this.#given[0]! * 256 + this.#given[1]!;
    if (this.#begun) this.#endFork(this.#fault ?? (right ? null : "binhex-broken"));
    if (this.#stage === "data-sum") this.#startFork("resource", this.#resourceLength);
    else this.#stage = "done";
  }

  #endFork(fault: DefectKind | null): void {
    this.#begun = false;
    this.#out.flush();
    this.#sink.end(fault);
  }
}

/** One octet into the CRC-CCITT as BinHex runs it: bit by bit, so that two more octets of zeros finish it. */
const TABLE = new Uint16Array(256);
for (let i = 0; i < 256; i++) {
  let sum = i << 8;
  for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1;
  TABLE[i] = sum & 0xffff;
}

function checksum(sum: number, octet: number): number {
  return (((sum << 8) | octet) & 0xffff) ^ TABLE[sum >> 8]!;
}

function finished(sum: number): number {
  return checksum(checksum(sum, 0), 0);
}
