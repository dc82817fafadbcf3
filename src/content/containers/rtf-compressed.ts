// The RTF body of Outlook messages, packed with a sliding window of 4 KiB that starts with ordinary RTF words (MS-OXRTFCP). Used for
// .msg files and winmail.dat.
import { Cursor } from "./cursor.ts";
import { Broken } from "./format.ts";
import type { Octets } from "./octets.ts";
import { pieces, octetsWithin } from "./octets.ts";

const START = Buffer.from(
  "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern " +
    "\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0" +
    "\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx",
  "latin1",
);
const WINDOW = 4_096;
const HEADER = 16;
const OUT = 32 * 1024;

/** The RTF, in pieces. Throws Broken when it is neither packed nor marked as plain. Its size field is not looked at. */
export function* plainRtf(from: Octets): Generator<Buffer> {
  const mark = from.read(8, 4).toString("latin1");
  if (mark === "MELA") {
    yield* pieces(octetsWithin(from, HEADER, from.size));
    return;
  }
  if (mark !== "LZFu") throw new Broken("its RTF has no mark");
  const window = Buffer.alloc(WINDOW);
  START.copy(window);
  let place = START.length;
  let out = Buffer.allocUnsafe(OUT);
  let length = 0;
  const cursor = new Cursor(from, HEADER);
  for (let flags = cursor.next(); flags >= 0; flags = cursor.next()) {
    for (let bit = 0; bit < 8; bit++, flags >>= 1) {
      const high = cursor.next();
      if (high < 0) {
        yield out.subarray(0, length);
        return;
      }
      let count = 1;
      let source = -1;
      if ((flags & 1) !== 0) {
        const token = (high << 8) | cursor.next();
        source = token >> 4;
        // A reference to the place that is written next is the end.
        if (token < 0 || source === place) {
          yield out.subarray(0, length);
          return;
        }
        count = (token & 15) + 2;
      }
      for (; count > 0; count--) {
        const octet = source < 0 ? high : window[source]!;
        if (source >= 0) source = (source + 1) % WINDOW;
        window[place] = octet;
        place = (place + 1) % WINDOW;
        out[length++] = octet;
      }
      if (length > OUT - 32) {
        yield out.subarray(0, length);
        out = Buffer.allocUnsafe(OUT);
        length = 0;
      }
    }
  }
  yield out.subarray(0, length);
}
