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
  /** What came of a request that is read line by line: it has another shape, or came in pieces. */
  #request: Map<string, string> | null = null;
  #requestBytes = 0;

  get midway(): boolean {
    return this.#heldBytes > 0 || this.#request !== null;
  }

  push(octets: Buffer): readonly PolicyRequest[] {
    if (this.failure !== null) return [];
    // What ends in a newline, as nearly all does, is not searched for one.
    const { length } = octets;
    const end = octets[length - 1] === NEWLINE ? length : octets.lastIndexOf(NEWLINE) + 1;
    // Only whole lines are decoded: an octet of 10 is never inside a character of UTF-8.
    if (end === 0) return (this.#hold(octets), []);
    const whole = end === length ? octets : octets.subarray(0, end);
    const text =
      this.#heldBytes === 0
        ? whole.toString("utf8")
        : Buffer.concat([...this.#held, whole]).toString("utf8");
    this.#held = [];
    this.#heldBytes = 0;
    const done = this.#lines(text);
    if (end < length) this.#hold(octets.subarray(end));
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
      const like = this.midway ? null : likeBefore(text, at, this.#shape);
      if (like !== null) {
        at = like.end;
        this.#take(like.request, done);
        continue;
      }
      const end = text.indexOf("\n", at);
      const last = text.charCodeAt(end - 1) === RETURN && end > at ? end - 1 : end;
      if (last === at) this.#complete(done);
      else this.#line(text, at, last);
      at = end + 1;
    }
    return done;
  }

  #complete(done: PolicyRequest[]): void {
    const request: PolicyRequest & ReadonlyMap<string, string> = this.#request ?? new Map();
    this.#shape = shapeOf([...request.keys()]);
    this.#request = null;
    this.#requestBytes = 0;
    this.#take(request, done);
  }

  #take(request: PolicyRequest, done: PolicyRequest[]): void {
    if (request.get("request") === "smtpd_access_policy") done.push(request);
    else this.#fail("not a request=smtpd_access_policy");
  }

  #line(text: string, at: number, end: number): void {
    this.#requestBytes += end - at + 1;
    if (end - at > POLICY_LIMITS.lineBytes) return this.#fail("a line is too long");
    if (this.#requestBytes > POLICY_LIMITS.requestBytes) return this.#fail("a request is too long");
    this.#request ??= new Map();
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

/** The request that begins at `at` when all of it is there, in the shape of an earlier one and within the limits; else null. */
function likeBefore(
  text: string,
  at: number,
  shape: Shape,
): { readonly request: PolicyRequest; readonly end: number } | null {
  const { starts } = shape;
  if (starts.length === 0) return null;
  const edges: number[] = new Array<number>(starts.length * 2);
  let from = at;
  for (let n = 0; n < starts.length; n++) {
    const start = starts[n] ?? "";
    if (!text.startsWith(start, from)) return null;
    const end = text.indexOf("\n", from);
    if (end < 0 || end - from > POLICY_LIMITS.lineBytes) return null;
    edges[2 * n] = from + start.length;
    edges[2 * n + 1] = text.charCodeAt(end - 1) === RETURN ? end - 1 : end;
    from = end + 1;
  }
  if (text.charCodeAt(from) !== NEWLINE || from + 1 - at > POLICY_LIMITS.requestBytes) return null;
  return { request: new Shaped(shape, text, edges), end: from + 1 };
}

/** A request with the names of an earlier one, read where it stands: of most values nobody ever asks. */
class Shaped implements PolicyRequest {
  readonly #shape: Shape;
  readonly #text: string;
  /** Where each value starts and ends. */
  readonly #edges: readonly number[];

  constructor(shape: Shape, text: string, edges: readonly number[]) {
    this.#shape = shape;
    this.#text = text;
    this.#edges = edges;
  }

  get(name: string): string | undefined {
    const place = this.#shape.places.get(name);
    return place === undefined ? undefined : this.#at(place);
  }

  *[Symbol.iterator](): Iterator<[string, string]> {
    for (const [n, name] of this.#shape.names.entries()) yield [name, this.#at(n)];
  }

  #at(place: number): string {
    return this.#text.slice(this.#edges[2 * place], this.#edges[2 * place + 1]);
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
