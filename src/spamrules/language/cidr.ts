// Networks as trusted_networks lines write them: "10.", "192.168.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "[2001:db8::1]", each with
// "!" in front for an exception; here in one spelling.
import { isIPv4, isIPv6 } from "node:net";

/** "192.0.2.0/24" (with "!" when excluded), several for a range; null for anything else. */
export function cidrs(text: string): readonly string[] | null {
  const excluded = text.startsWith("!");
  const bare = text.replace(/^!/, "");
  const nets = bare.includes("-") && !bare.includes(":") ? range(bare) : single(bare);
  return nets?.map((net) => (excluded ? `!${net}` : net)) ?? null;
}

export interface Network {
  /** As `cidrs` gives it. */
  readonly text: string;
  readonly excluded: boolean;
  readonly bits: number;
  /** Its first bits, for comparing: of the whole address when IPv6, else of the last 32. */
  readonly prefix: bigint;
  readonly size: 32 | 128;
}

export function network(text: string): Network {
  const [address = "", length = "0"] = text.replace(/^!/, "").split("/");
  const size = isIPv4(address) ? 32 : 128;
  const bits = Number(length);
  const whole = size === 32 ? BigInt(number4(address)) : number6(address);
  return { text, excluded: text.startsWith("!"), bits, prefix: whole >> BigInt(size - bits), size };
}

/** Whether `outer` holds all of `inner`, whatever is excluded. */
export function holds(outer: Network, inner: Network): boolean {
  if (outer.size !== inner.size || inner.bits < outer.bits) return false;
  return inner.prefix >> BigInt(inner.bits - outer.bits) === outer.prefix;
}

/** The same question to many networks at once. */
export function holdersOf(nets: readonly Network[]): (inner: Network) => boolean {
  const known = new Set(nets.map(({ size, bits, prefix }) => `${size}/${bits}/${prefix}`));
  const lengths = [...new Set(nets.map(({ bits }) => bits))];
  return ({ size, bits, prefix }) =>
    lengths.some(
      (length) =>
        length <= bits && known.has(`${size}/${length}/${prefix >> BigInt(bits - length)}`),
    );
}

function single(text: string): string[] | null {
  const [, written = "", mask] = /^([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  const address = written.replace(/^\[([^\]]*)\]$/, "$1").replace(/%[A-Za-z0-9._~-]*$/, "");
  if (/^\d+(?:\.|$)/.test(address)) return version4(address, mask);
  if (!isIPv6(address)) return null;
  const bits = mask ?? "128";
  return /^\d{1,3}$/.test(bits) && Number(bits) <= 128 ? [`${address}/${Number(bits)}`] : null;
}

/** Fewer than four numbers are the beginning of a network of that many octets. */
function version4(text: string, mask: string | undefined): string[] | null {
  const parts = text.replace(/\.$/, "").split(".");
  if (parts.length > 4 || (parts.length === 4 && text.endsWith("."))) return null;
  if (!parts.every((part) => /^\d{1,3}$/.test(part))) return null;
  const numbers = [...parts.map(Number), 0, 0, 0].slice(0, 4);
  const address = numbers.join(".");
  if (!isIPv4(address)) return null;
  const bits = mask === undefined ? parts.length * 8 : bitsOf(mask);
  return bits === null ? null : [`${address}/${bits}`];
}

/** A length, or a netmask such as 255.255.255.0. */
function bitsOf(mask: string): number | null {
  if (/^\d{1,2}$/.test(mask)) return Number(mask) <= 32 ? Number(mask) : null;
  if (!isIPv4(mask)) return null;
  const bits = number4(mask).toString(2).padStart(32, "0");
  return /^1*0*$/.test(bits) ? bits.replace(/0+$/, "").length : null;
}

/** The fewest networks that make up FIRST-LAST (at most 62). */
function range(text: string): string[] | null {
  const [first = "", last = "", ...more] = text.split("-").map((part) => part.trim());
  if (!isIPv4(first) || !isIPv4(last) || more.length > 0) return null;
  const nets: string[] = [];
  let at = number4(first);
  const end = number4(last);
  if (at > end) return null;
  while (at <= end) {
    let bits = 32;
    while (bits > 0 && at % 2 ** (33 - bits) === 0 && at + 2 ** (33 - bits) - 1 <= end) bits--;
    nets.push(`${text4(at)}/${bits}`);
    at += 2 ** (32 - bits);
  }
  return nets;
}

function number4(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Of an address that isIPv6 believes. */
function number6(address: string): bigint {
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (v4) => {
    const value = number4(v4);
    return `${Math.floor(value / 65536).toString(16)}:${(value % 65536).toString(16)}`;
  });
  const [left = "", right] = plain.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const head = groups(left);
  const tail = groups(right ?? "");
  const middle = new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return [...head, ...middle, ...tail].reduce(
    (sum, group) => sum * 65536n + BigInt(`0x${group}`),
    0n,
  );
}

function text4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
