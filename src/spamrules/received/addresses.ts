// Which texts SpamAssassin takes for IP addresses, and which of those for private or local: sources of patterns, put together here and
// used by the readings of Received lines, by the network lists and by eval functions. All of them match octets, whatever the case.

/** How often at least and at most, as a quantifier. */
const times = (least: number, most: number): string => `{${least},${most}}`;

const OCTET = "(?:1\\d\\d|2[0-4]\\d|25[0-5]|[1-9]\\d|\\d)";
const DOTTED = `${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}`;
const GROUP = "[A-Fa-f0-9]{1,4}";
const ZERO = "0{1,4}";
const PREFIX = "(?:[Ii][Pp][Vv]6:|(?<![A-Fa-f0-9:]))";
const END = "(?![A-Fa-f0-9:])";
const FFFF = "[Ff][Ff][Ff][Ff]:";

const GROUPS = `(?:${GROUP}(?::${GROUP})*)?`;

/** Six groups, or "::" for some of them, each with its colon: what comes before a dotted quad. */
const SIX = `(?:${GROUP}:){6}|(?!:*(?:[A-Fa-f0-9]+:+){6})${GROUPS}::(?:${GROUP}:)*`;

/** Eight groups, or at most seven and "::" for the others. */
const EIGHT = `(?:${GROUP}:){7}${GROUP}|(?!:*[A-Fa-f0-9]+(?::+[A-Fa-f0-9]+){7})${GROUPS}::${GROUPS}`;

/** Five groups of zeros and ffff. The third line takes one group of at most two zeros after "::", the fourth just "0": so does SpamAssassin. */
const MAPPED = `(?:${[
  `(?:${ZERO}:){5}`,
  `::(?:${ZERO}:)${times(0, 4)}`,
  `${ZERO}::(?:${ZERO}:)${times(0, 3)}`,
  `(?:${ZERO}:){2}:(?:0{1,2}:)?`,
  `(?:${ZERO}:){3}:(?:0:)?`,
  `(?:${ZERO}:){4}:`,
].join("|")})${FFFF}`;

const LOOPBACK = [
  `(?:${ZERO}:){7}0{0,3}1`,
  `:(?::${ZERO})${times(0, 6)}:0{0,3}1`,
  ...[1, 2, 3, 4, 5, 6].map((n) => `(?:${ZERO}:){${n}}(?::${ZERO})${times(0, 6 - n)}:0{0,3}1`),
].join("|");

/** 10/8, 127/8, 169.254/16, 172.16/12, 192.168/16 and 100.64/10, by their first octets. */
const PRIVATE_START =
  "(?:10|127|169\\.254|172\\.(?:1[6-9]|2[0-9]|3[01])|192\\.168|100\\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7]))\\.[^\\n]*";

/** Source of a pattern: an IPv4 address standing by itself. */
export const IPV4_SOURCE = `\\b${DOTTED}\\b`;

/** Source of a pattern: an IPv4 or IPv6 address, "IPv6:" before it allowed. "::" is one. */
export const IP_SOURCE = `(?:\\b(?<!:)${DOTTED}\\b|${PREFIX}(?:(?:${SIX})${DOTTED}|${EIGHT})${END})`;

/** Source of a pattern: a name or an address of this very machine. */
export const LOCALHOST_SOURCE =
  `(?:[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt](?:\\.[Ll][Oo][Cc][Aa][Ll][Dd][Oo][Mm][Aa][Ii][Nn])?` +
  `|\\b(?<!:)127\\.0\\.0\\.1\\b|${PREFIX}(?:${MAPPED}127\\.0\\.0\\.1|${LOOPBACK})${END})`;

const PRIVATE_SOURCE =
  `^(?:${PRIVATE_START}|${PREFIX}` +
  `(?:${MAPPED}${PRIVATE_START}|[Ff][Ee][89AaBb][0-9A-Fa-f]:[^\\n]*|${LOOPBACK})${END})`;

const IPV4 = new RegExp(`^${IPV4_SOURCE}$`);
const IP = new RegExp(`^${IP_SOURCE}$`);
const PRIVATE = new RegExp(PRIVATE_SOURCE);
const ALL_PRIVATE = new RegExp(`${PRIVATE_SOURCE}$`);
const LOCALHOST = new RegExp(`^${LOCALHOST_SOURCE}$`);

export const isIpv4 = (text: string): boolean => IPV4.test(text);
export const isIp = (text: string): boolean => IP.test(text);
export const isLocalhost = (text: string): boolean => LOCALHOST.test(text);

/** Whether a text begins with a private address: how hops are judged. */
export const startsPrivate = (text: string): boolean => PRIVATE.test(text);

/** Whether a text is a private address and nothing else: how names in HELO are judged. */
export const isPrivateIp = (text: string): boolean => ALL_PRIVATE.test(text);
