// Postfix's policy delegation protocol (SMTPD_POLICY_README), the reading side and the one line that is written: requests of
// name=value lines ended by an empty line, many on a connection. Pure; servers/policy.ts feeds it octets as they come.

/** The attributes of one request, in their order; names and values as they came, UTF-8. A Map is one. */
export interface PolicyRequest extends Iterable<[name: string, value: string]> {
  get(name: string): string | undefined;
}

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

const NO_SHAPE: Shape = { names: [], starts: [], places: new Map() };

class Reader implements PolicyReader {
  failure: string | null = null;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The names of the request before: an MTA sends the same ones again, which is quicker to see than to read. */
  #shape: Shape = NO_SHAPE;
  /** Values of this request as long as it has the shape of the one before; then it is read into a map. */
  #values: string[] = [];
  #request: Map<string, string> | null = null;
  #requestBytes = 0;

  get midway(): boolean {
    return this.#heldBytes > 0 || this.#values.length > 0 || this.#request !== null;
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
      else this.#line(text, at, last);
      at = end + 1;
    }
    return done;
  }

  #complete(done: PolicyRequest[]): void {
    const request = this.#whole();
    if (request.get("request") !== "smtpd_access_policy")
      return this.#fail("not a request=smtpd_access_policy");
    done.push(request);
    this.#values = [];
    this.#request = null;
    this.#requestBytes = 0;
  }

  #whole(): PolicyRequest {
    if (this.#request === null && this.#values.length === this.#shape.names.length)
      return new Shaped(this.#shape, this.#values);
    const request = this.#request ?? this.#unshaped();
    this.#shape = shapeOf([...request.keys()]);
    return request;
  }

  /** What came of this request so far, once it is seen to differ from the one before. */
  #unshaped(): Map<string, string> {
    const { names } = this.#shape;
    return new Map(this.#values.map((value, n) => [names[n] ?? "", value]));
  }

  #line(text: string, at: number, end: number): void {
    this.#requestBytes += end - at + 1;
    if (end - at > POLICY_LIMITS.lineBytes) return this.#fail("a line is too long");
    if (this.#requestBytes > POLICY_LIMITS.requestBytes) return this.#fail("a request is too long");
    if (this.#request === null) {
      const start = this.#shape.starts[this.#values.length];
      if (start !== undefined && text.startsWith(start, at)) {
        this.#values.push(text.slice(at + start.length, end));
        return;
      }
      this.#request = this.#unshaped();
    }
    this.#attribute(text.slice(at, end), this.#request);
  }

  #attribute(line: string, request: Map<string, string>): void {
    if (request.size >= POLICY_LIMITS.attributes) return this.#fail("too many attributes");
    const equals = line.indexOf("=");
    if (equals <= 0) return this.#fail("a line is no name=value");
    const name = line.slice(0, equals);
    if (!/^[A-Za-z0-9_.-]{1,100}$/.test(name)) return this.#fail("an attribute has no proper name");
    // A value that could smuggle a line in would come behind the true one: two of a name are no request.
    if (request.has(name)) return this.#fail("an attribute stands twice");
    request.set(name, line.slice(equals + 1));
  }

  #fail(why: string): void {
    this.failure = why;
    this.#held = [];
    this.#heldBytes = 0;
    this.#values = [];
    this.#request = null;
  }
}

/** Names in their order, how their lines start, and where each stands. */
interface Shape {
  readonly names: readonly string[];
  readonly starts: readonly string[];
  readonly places: ReadonlyMap<string, number>;
}

const shapeOf = (names: readonly string[]): Shape => ({
  names,
  starts: names.map((name) => `${name}=`),
  places: new Map(names.map((name, n) => [name, n])),
});

/** A request with the names of an earlier one. */
class Shaped implements PolicyRequest {
  readonly #shape: Shape;
  readonly #values: readonly string[];

  constructor(shape: Shape, values: readonly string[]) {
    this.#shape = shape;
    this.#values = values;
  }

  get(name: string): string | undefined {
    const place = this.#shape.places.get(name);
    return place === undefined ? undefined : this.#values[place];
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const [n, name] of this.#shape.names.entries()) yield [name, this.#values[n] ?? ""];
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

/** Printable words with one blank between: what we say ourselves. */
const PLAIN = /^[!-~]+(?: [!-~]+)*$/;

/** The answer as it goes on the wire: one line of printable ASCII, whatever the text holds, and the empty line. */
export function actionLine({ word, text }: PolicyAction): string {
  if (text === "") return `action=${word}\n\n`;
  if (text.length <= MAX_TEXT && PLAIN.test(text)) return `action=${word} ${text}\n\n`;
  const safe = text
    .slice(0, MAX_TEXT * 2)
    .replace(/[\s\x00-\x1f\x7f]+/g, " ")
    .replace(/[^\x20-\x7e]/g, "?")
    .trim()
    .slice(0, MAX_TEXT)
    .trimEnd();
  return safe === "" ? `action=${word}\n\n` : `action=${word} ${safe}\n\n`;
}
