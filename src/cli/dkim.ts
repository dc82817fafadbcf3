// `postern dkim keygen DOMAIN SELECTOR`: a key file that dkim.rules can name, the TXT record to publish, and how to go over to it.
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { canonicalDomain } from "../mail/address.ts";
import { keyFile } from "../ruleset/dkim-lines.ts";
import { parseCommand, UsageError } from "./options.ts";

const BITS = new Set(["2048", "3072", "4096"]);
const SELECTOR =
  /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** Octets in one character-string of a TXT record (RFC 1035 3.3). */
const STRING = 255;

/** Exit code 0; 1 when the file exists or cannot be written. Throws UsageError. */
export async function dkim(args: readonly string[]): Promise<number> {
  const { config, values, positionals } = parseCommand(args, {
    bits: { type: "string" },
    ed25519: { type: "boolean" },
  });
  const [action, domainText = "", selectorText = "", ...more] = positionals;
  if (action !== "keygen" || more.length > 0 || selectorText === "")
    throw new UsageError("dkim keygen takes a DOMAIN and a SELECTOR");
  const domain = canonicalDomain(domainText);
  if (domain === null || domain.startsWith("[")) throw new UsageError(`no domain: ${domainText}`);
  const selector = selectorText.toLowerCase();
  if (!SELECTOR.test(selector)) throw new UsageError(`no selector: ${selectorText}`);
  const { bits } = values;
  if (bits !== undefined && (typeof bits !== "string" || !BITS.has(bits) || values["ed25519"]))
    throw new UsageError("--bits is 2048, 3072 or 4096, and not for --ed25519");
  const key =
    values["ed25519"] === true
      ? generateKeyPairSync("ed25519").privateKey
      : generateKeyPairSync("rsa", { modulusLength: Number(bits ?? 2048) }).privateKey;
  const path = join(config.dkim.keys, keyFile(domain, selector));
  const wrong = write(path, key);
  if (wrong !== null) {
    process.stderr.write(`postern: ${wrong}\n`);
    return 1;
  }
  process.stdout.write(instructions(path, domain, selector, key));
  return 0;
}

/** Null when the file is there, else why it is not; an existing one is never touched. */
function write(path: string, key: KeyObject): string | null {
  const directory = dirname(path);
  try {
    if (!existsSync(directory)) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      chmodSync(directory, 0o700);
    }
    writeFileSync(path, key.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
    return null;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === "EEXIST"
      ? `${path} exists already: choose another selector, or move the file away`
      : `${path} cannot be written: ${(error as Error).message}`;
  }
}

/** The text of the TXT record (RFC 6376 3.6.1, RFC 8463 4) that goes with a private key. */
export function keyRecord(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  // Ed25519 keys stand there as they are: the last 32 octets of the SubjectPublicKeyInfo.
  return key.asymmetricKeyType === "ed25519"
    ? `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString("base64")}`
    : `v=DKIM1; k=rsa; p=${der.toString("base64")}`;
}

/** The record as a zone file has it: in quoted strings of at most 255 octets. */
export function zoneText(record: string): string {
  const strings = record.match(new RegExp(`.{1,${STRING}}`, "g")) ?? [];
  return strings.map((text) => `"${text}"`).join("\n    ");
}

function instructions(path: string, domain: string, selector: string, key: KeyObject): string {
  const name = `${selector}._domainkey.${domain}`;
  return `The private key is in ${path} (readable by its owner: make that the user that postern runs as).

1. Publish this record, and wait until it can be seen everywhere (dig +short TXT ${name}):

${name}. IN TXT (
    ${zoneText(keyRecord(key))} )

2. Then sign with it, by this line in rules/local.d/dkim.rules; it holds at once, without a restart:

sign ${domain} selector=${selector}

To change keys later: make a key under a new selector, publish its record, then name the new selector in that line. Leave the
old record for a week, since mail signed with it is still under way; then publish it with an empty p= ("v=DKIM1; p=") and
remove the old key file.
`;
}
