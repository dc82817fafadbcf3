// Postfix's policy delegation protocol (SMTPD_POLICY_README), the reading side and the one line that is written: requests of
// name=value lines ended by an empty line, many on a connection. Pure; servers/policy.ts feeds it octets as they come.

/** The attributes of one request; names and values as they came, UTF-8. */
export type PolicyRequest = ReadonlyMap<string, string>;

export const POLICY_LIMITS = {
  /** Octets of one line; Postfix writes at most some 2,000. */
  lineBytes: 8192,
  /** Octets of one request. */
  requestBytes: 65_536,
  /** Attributes of one request; Postfix 3.12 sends 34. */
  attributes: 128,
} as const;

export interface PolicyReader {
  /** Takes octets and hands out the requests that they complete, in order; none after a failure. */
  push(octets: Buffer): readonly PolicyRequest[];
  /** Why what came is no request; nothing can be read from this connection any more. null = all is well. */
  readonly failure: string | null;
  /** Something of a request that is not complete has come. */
  readonly midway: boolean;
}

/** A reader for one connection. Linear in what it is fed; never throws. */
export function policyReader(): PolicyReader {
  return new Reader();
}

const NEWLINE = 10;
const RETURN = 13;

/** What Postfix sends with every request; only names beside these are looked at twice. */
const KNOWN: ReadonlySet<string> = new Set(
  (
    "request protocol_state protocol_name helo_name queue_id sender recipient recipient_count client_address client_name " +
    "client_port reverse_client_name server_address server_port instance size etrn_domain stress sasl_method sasl_username " +
    "sasl_sender ccert_subject ccert_issuer ccert_fingerprint ccert_pubkey_fingerprint encryption_protocol " +
    "encryption_cipher encryption_keysize policy_context compatibility_level mail_version"
  ).split(" "),
);

class Reader implements PolicyReader {
  failure: string | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #request = new Map<string, string>();
  #requestBytes = 0;

  get midway(): boolean {
    return this.#heldBytes > 0 || this.#request.size > 0;
  }

  push(octets: Buffer): readonly PolicyRequest[] {
    if (this.failure !== null) return [];
    const end = octets.lastIndexOf(NEWLINE) + 1;
    // Only whole lines are decoded: an octet of 10 is never inside a character of UTF-8.
    if (end === 0) return (this.#hold(octets), []);
    const whole = octets.subarray(0, end);
    const text =
      this.#heldBytes === 0
        ? whole.toString("utf8")
        : Buffer.concat([...this.#held, whole]).toString("utf8");
    this.#held = [];
    this.#heldBytes = 0;
    const done = this.#lines(text);
    if (end < octets.length) this.#hold(octets.subarray(end));
    return done;
  }

  /** What is kept is copied: a slice would keep the socket's whole buffer. */
  #hold(octets: Buffer): void {
    this.#heldBytes += octets.length;
    if (this.#heldBytes > POLICY_LIMITS.lineBytes) this.#fail("a line is too long");
    else this.#held.push(Buffer.from(octets));
  }

  #lines(text: string): readonly PolicyRequest[] {
    const done: PolicyRequest[] = [];
    for (let at = 0; at < text.length && this.failure === null;) {
      const end = text.indexOf("\n", at);
      const last = text.charCodeAt(end - 1) === RETURN && end > at ? end - 1 : end;
      if (last === at) this.#complete(done);
      else this.#line(text.slice(at, last));
      at = end + 1;
    }
    return done;
  }

  #complete(done: PolicyRequest[]): void {
    if (this.#request.get("request") !== "smtpd_access_policy")
      return this.#fail("not a request=smtpd_access_policy");
    done.push(this.#request);
    this.#request = new Map();
    this.#requestBytes = 0;
  }

  #line(line: string): void {
    this.#requestBytes += line.length + 1;
    if (line.length > POLICY_LIMITS.lineBytes) return this.#fail("a line is too long");
    if (this.#requestBytes > POLICY_LIMITS.requestBytes) return this.#fail("a request is too long");
    if (this.#request.size >= POLICY_LIMITS.attributes) return this.#fail("too many attributes");
    const equals = line.indexOf("=");
    if (equals <= 0) return this.#fail("a line is no name=value");
    const name = line.slice(0, equals);
    if (!KNOWN.has(name) && !/^[A-Za-z0-9_.-]{1,100}$/.test(name))
      return this.#fail("an attribute has no proper name");
    // A value that could smuggle a line in would come behind the true one: two of a name are no request.
    if (this.#request.has(name)) return this.#fail("an attribute stands twice");
    this.#request.set(name, line.slice(equals + 1));
  }

  #fail(why: string): void {
    this.failure = why;
    this.#held = [];
    this.#heldBytes = 0;
    this.#request = new Map();
  }
}

/** What an MTA is told. `text` is free; actionLine() makes it safe. */
export interface PolicyAction {
  readonly word: "DUNNO" | "OK" | "REJECT" | "DEFER_IF_PERMIT" | "PREPEND";
  readonly text: string;
}

export const DUNNO: PolicyAction = { word: "DUNNO", text: "" };

/** Room for "action=…" and what Postfix puts around it in a reply of 512 octets. */
const MAX_TEXT = 400;

/** The answer as it goes on the wire: one line of printable ASCII, whatever the text holds, and the empty line. */
export function actionLine({ word, text }: PolicyAction): string {
  if (text === "") return `action=${word}\n\n`;
  const safe = text
    .slice(0, MAX_TEXT * 2)
    .replace(/[\s\x00-\x1f\x7f]+/g, " ")
    .replace(/[^\x20-\x7e]/g, "?")
    .trim()
    .slice(0, MAX_TEXT)
    .trimEnd();
  return safe === "" ? `action=${word}\n\n` : `action=${word} ${safe}\n\n`;
}
