// Width and height that an image's first octets tell, as SpamAssassin's ImageInfo reads them. Called by imageinfo.ts.

export type ImageKind = "gif" | "png" | "jpeg";

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

const big16 = (octets: string, at: number): number =>
  octets.charCodeAt(at) * 256 + octets.charCodeAt(at + 1);
const little16 = (octets: string, at: number): number =>
  octets.charCodeAt(at) + octets.charCodeAt(at + 1) * 256;
const big32 = (octets: string, at: number): number =>
  big16(octets, at) * 65536 + big16(octets, at + 2);

/** null when it is no such image or tells no size. */
export function imageSize(kind: ImageKind, octets: string): ImageSize | null {
  const size = kind === "gif" ? gif(octets) : kind === "png" ? png(octets) : jpeg(octets);
  return size !== null && size.width > 0 && size.height > 0 ? size : null;
}

function gif(octets: string): ImageSize | null {
  if (!/^GIF8[79]a/.test(octets)) return null;
  return { width: little16(octets, 6), height: little16(octets, 8) };
}

/** Looks for the header chunk at every eighth octet: lengths of other chunks are not heeded. */
function png(octets: string): ImageSize | null {
  if (!octets.startsWith("\x89PNG\r\n\x1a\n")) return null;
  for (let at = 8; at < octets.length; at += 8) {
    const type = octets.slice(at + 4, at + 8);
    if (type === "IEND") return null;
    if (type !== "IHDR" || big32(octets, at) !== 13) continue;
    // The last four octets there are, a checksum where all is well, are taken off before.
    const header = octets.slice(at + 8, at + 25).slice(0, -4);
    return { width: big32(header, 0), height: big32(header, 4) };
  }
  return null;
}

function jpeg(octets: string): ImageSize | null {
  if (!octets.startsWith("\xff\xd8")) return null;
  for (let at = 2; at + 4 <= octets.length;) {
    const mark = octets.charCodeAt(at + 1);
    const length = big16(octets, at + 2);
    if (octets.charCodeAt(at) !== 0xff || mark === 0xda || mark === 0xd9 || length < 2) return null;
    if (mark >= 0xc0 && mark <= 0xcf && mark !== 0xc4 && mark !== 0xc8 && mark !== 0xcc) {
      const frame = octets.slice(at + 4, at + 2 + length);
      return { height: big16(frame, 1), width: big16(frame, 3) };
    }
    at += 2 + length;
  }
  return null;
}
