// RPM packages: a lead, a header with signatures, a header, and behind them one compressed cpio archive, which is the one member here.
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

const LEAD = 96;
const HEADER_MARK = 0x8eade801;
/** Each header has entries of 16 octets and a store. */
const ENTRY = 16;
const INTRO = 16;

export const rpm: Format = {
  name: "rpm",
  kinds: ["rpm"],
  *members(file) {
    const signed = headerEnd(file, LEAD);
    const start = headerEnd(file, Math.ceil(signed / 8) * 8);
    if (start >= file.size) throw new Broken("rpm: cut off");
    yield {
      names: ["payload.cpio"],
      what: "file",
      octets: () => pieces(octetsWithin(file, start, file.size - start)),
    };
  },
};

function headerEnd(file: Octets, at: number): number {
  const intro = file.read(at, INTRO);
  if (intro.length < INTRO || intro.readUInt32BE(0) !== HEADER_MARK)
    throw new Broken("rpm: bad header");
  return at + INTRO + intro.readUInt32BE(8) * ENTRY + intro.readUInt32BE(12);
}
