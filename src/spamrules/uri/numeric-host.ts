// Hosts that are IP addresses in disguise: octal and hexadecimal parts, one long number. Called by canonical.ts.

const PARTS =
  /^((?:0x[0-9a-f]+|\d+)\.)((?:0x[0-9a-f]+|\d+)\.)((?:0x[0-9a-f]+|\d+)\.)(0x[0-9a-f]+|\d+)$/i;
const MOST = 0xffffffffffffffffn;

/** Four parts with dots, each made decimal the way SpamAssassin does ("0" becomes nothing); null of anything else. */
export function quadOf(host: string): string | null {
  const parts = PARTS.exec(host);
  if (!parts) return null;
  return parts
    .slice(1)
    .map((part) =>
      part
        .replace(/^0x([0-9a-f]+)/i, (_, digits: string) => signed(digits))
        .replace(/^0+([1-3][0-7]{0,2}|[4-7][0-7]?)\b/, (_, digits: string) =>
          String(Number.parseInt(digits, 8)),
        )
        .replace(/^0+/, ""),
    )
    .join("");
}

/** One number, hexadecimal (the last eight digits of it) or decimal, as four parts; null of anything else. */
export function dottedOf(host: string): string | null {
  const hex = /^0x[0-9a-f]*?([0-9a-f]{1,8})$/i.exec(host)?.[1];
  if (hex !== undefined) return octets(hex);
  if (!/^[0-9]+$/.test(host)) return null;
  const digits = host.replace(/^0+/, "");
  return octets(atMost(digits.length > 20 ? MOST + 1n : BigInt(`0${digits}`)).toString(16));
}

/** The first four octets of at least eight digits. */
function octets(digits: string): string {
  const padded = digits.padStart(8, "0");
  return [0, 2, 4, 6].map((at) => Number.parseInt(padded.slice(at, at + 2), 16)).join(".");
}

/** Perl's sprintf "%d" of a hexadecimal number. */
function signed(digits: string): string {
  const short = digits.replace(/^0+/, "");
  if (short.length > 16) return "-1"; // what Perl prints of a number that it cannot hold
  return BigInt.asIntN(64, BigInt(`0x0${short}`)).toString();
}

function atMost(value: bigint): bigint {
  return value > MOST ? MOST : value;
}
