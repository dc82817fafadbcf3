// DKIM (RFC 6376, RFC 8301, RFC 8463) and ARC (RFC 8617) verification by mailauth's verifier, which gets the header as fields
// and the body hash from mail/dkim-body.ts: its own readers take quadratic time on hostile input. Called by auth.ts.
import { createRequire } from "node:module";
import { setImmediate } from "node:timers/promises";
import { BodyHash, type BodyCanonicalization } from "../mail/dkim-body.ts";
import type { Header } from "../mail/header.ts";
import type { Body } from "../mail/message.ts";
import type { Resolver } from "./auth-lookups.ts";

export type DkimWord = "pass" | "fail" | "neutral" | "none" | "policy" | "temperror" | "permerror";

export interface DkimSignature {
  readonly result: DkimWord;
  /** d=, lower case; "" when it is no domain name (never with pass). */
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: string;
  /** First characters of b=, to tell signatures apart (RFC 6008). */
  readonly signature: string;
  /** Why, in mailauth's words; null when there is nothing to say. */
  readonly comment: string | null;
}

export interface DkimOutcome {
  /** One per signature, at most 10, in the order of the header; empty when the message is not signed. */
  readonly signatures: readonly DkimSignature[];
  /** Author addresses as mailauth reads them, and how many From fields they stand in; null = the header was not read. */
  readonly authors: { readonly addresses: readonly string[]; readonly fields: number } | null;
  /** The ARC chain; null when there is none. */
  readonly arc: ArcOutcome | null;
}

export interface ArcOutcome {
  readonly result: "pass" | "fail";
  /** Number of ARC sets. */
  readonly instance: number;
  /** Sealing domain of the newest set, "" when it is no domain name. */
  readonly domain: string;
  readonly comment: string | null;
}

/** More signatures than this are not looked at. */
const MAX_SIGNATURES = 10;
/** A header beyond these is not verified: each signature canonicalises what it names anew. */
const MAX_HEADER_BYTES = 256 * 1024;
const MAX_FIELDS = 2_000;
/** Octets of one field that mailauth takes apart. */
const MAX_PARSED_FIELD = 16 * 1024;
/** Names in one h=: each costs a walk over the fields. */
const MAX_NAMES = 200;
const MAX_PARSED_FIELDS = 160;
const PARSED =
  /^(?:from|return-path|content-type|dkim-signature|arc-seal|arc-message-signature|arc-authentication-results)$/;
const FIELD_START = /^([\x21-\x39\x3b-\x7e]+)[ \t\r\n]*:/;
const DOMAIN = /^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+$/;
const PIECE = 64 * 1024;
/** mailauth calls a key that cannot be used neutral; RFC 8601 2.7.1 has permerror for what a later attempt will not mend. */
const KEY_ERRORS =
  /^(?:no key|unknown key version|unknown key type|invalid public key|inappropriate (?:hash|key) algorithm|key not for email)$/;

interface Row {
  readonly key: string;
  readonly casedKey: string;
  readonly line: Buffer;
}

interface SignatureHeader {
  skip?: string;
  type?: string;
  parsed?: { h?: { value?: unknown } };
}

interface Result {
  readonly signingDomain?: string;
  readonly selector?: string;
  readonly algo?: string;
  readonly signature?: unknown;
  readonly status: {
    readonly result: string;
    readonly comment?: string | false;
    readonly underSized?: number;
    readonly policy?: Readonly<Record<string, string>>;
  };
}

/** The parts of mailauth's verifier that are used here; the version is pinned, and tests hold it to the RFCs' examples. */
interface Verifier {
  readonly results: readonly Result[];
  readonly headerFrom: readonly string[];
  readonly fromFields: number;
  readonly arc: { readonly chain: unknown; readonly error?: unknown; readonly lastEntry?: unknown };
  readonly bodyHashes: Map<string, unknown>;
  prepareSignature(header: SignatureHeader): void;
  verifySignature(header: SignatureHeader, fallback?: boolean): Promise<Result>;
  messageHeaders(headers: { parsed: readonly Row[]; original: Buffer }): Promise<void>;
  nextChunk(chunk: Buffer): Promise<void>;
  finalChunk(): Promise<void>;
}

type VerifierClass = new (options: Record<string, unknown>) => Verifier;

interface Mailauth {
  readonly verifier: VerifierClass;
  readonly arc: (data: unknown, options: Record<string, unknown>) => Promise<ArcResult>;
}

interface ArcSet {
  readonly "arc-seal"?: { readonly parsed?: { readonly d?: { readonly value?: unknown } } };
}

interface ArcResult {
  readonly i?: number | false;
  readonly status: { readonly result: string; readonly comment?: string };
  /** false when there is none that can be read. */
  readonly chain?: false | readonly ArcSet[];
}

let loaded: Mailauth | null = null;

/** Verifies all signatures and the ARC chain. The body is read once, and only if something is signed. */
export async function dkimOf(
  header: Header,
  body: Body,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<DkimOutcome> {
  const rows = rowsOf(header);
  const signed = rows.some(({ key }) => key === "dkim-signature" || key.startsWith("arc-"));
  const excess = excessOf(header, rows);
  if (excess !== null) {
    const isSigned = rows.some(({ key }) => key === "dkim-signature");
    return { signatures: isSigned ? [unread(excess)] : [], authors: null, arc: null };
  }
  const { verifier: Bounded, arc } = (loaded ??= load());
  const verifier = new Bounded({ resolver, strict: true });
  await verifier.messageHeaders({ parsed: rows, original: Buffer.alloc(0) });
  if (signed && verifier.bodyHashes.size > 0) await readBody(verifier, header, body, signal);
  await verifier.finalChunk();
  const authors = { addresses: verifier.headerFrom, fields: verifier.fromFields };
  const signatures = signed
    ? verifier.results
        .filter(({ status }) => status.result !== "none")
        .slice(0, MAX_SIGNATURES)
        .map(signatureOf)
    : [];
  const chained = verifier.arc.error !== undefined || Array.isArray(verifier.arc.chain);
  const chain = chained ? await arc(verifier.arc, { resolver, strict: true }) : null;
  return { signatures, authors, arc: chain === null ? null : arcOf(chain) };
}

function load(): Mailauth {
  const require = createRequire(import.meta.url);
  const { DkimVerifier } = require("mailauth/lib/dkim/dkim-verifier.js") as {
    DkimVerifier: VerifierClass;
  };
  const { arc } = require("mailauth/lib/arc/index.js") as Pick<Mailauth, "arc">;
  return { verifier: boundedVerifier(DkimVerifier), arc };
}

/** mailauth's verifier with our body hash, few signatures, and a turn of the event loop before each key operation. */
function boundedVerifier(Base: VerifierClass): VerifierClass {
  return class extends Base {
    private count = 0;

    override prepareSignature(header: SignatureHeader): void {
      super.prepareSignature(header);
      const names = header.parsed?.h?.value;
      if (typeof names === "string" && names.split(":", MAX_NAMES + 2).length > MAX_NAMES)
        header.skip = "too many names in h=";
      if (header.type === "DKIM" && ++this.count > MAX_SIGNATURES)
        header.skip = "too many signatures";
    }

    override async verifySignature(header: SignatureHeader, fallback?: boolean): Promise<Result> {
      await setImmediate();
      return super.verifySignature(header, fallback);
    }

    /** Called by mailauth for each form of body hash that a signature asks for; returns the key of the hash. */
    addBodyHash(canonicalization: BodyCanonicalization, algorithm: string, limit: unknown): string {
      const most = typeof limit === "number" ? limit : null;
      const key = `${canonicalization}:${algorithm}:${most ?? ""}`;
      if (!this.bodyHashes.has(key)) {
        const hash = new BodyHash(canonicalization, algorithm, most);
        const unused = { setContentType: () => {}, getMimeStructureStart: () => null };
        this.bodyHashes.set(key, Object.assign(hash, unused));
      }
      return key;
    }
  };
}

async function readBody(
  verifier: Verifier,
  header: Header,
  body: Body,
  signal: AbortSignal,
): Promise<void> {
  let skip = header.size;
  let since = 0;
  for await (const chunk of body.lend?.() ?? body.open()) {
    const from = Math.min(skip, chunk.length);
    skip -= from;
    for (let at = from; at < chunk.length; at += PIECE) {
      const piece = chunk.subarray(at, at + PIECE);
      await verifier.nextChunk(piece);
      since += piece.length;
      if (since < PIECE) continue;
      since = 0;
      await setImmediate();
      signal.throwIfAborted();
    }
  }
}

/**
 * The fields as mailauth reads them: a line that opens no field belongs to the field before it, which can turn a pass into a
 * fail but never the other way round.
 */
function rowsOf(header: Header): readonly Row[] {
  const rows: { key: string; casedKey: string; lines: Buffer[] }[] = [];
  for (const { raw } of header.fields) {
    const name = FIELD_START.exec(raw.toString("latin1", 0, 1_000))?.[1];
    const line = withoutLineEnd(raw);
    const last = rows.at(-1);
    if (name === undefined && last !== undefined) last.lines.push(CRLF, line);
    else rows.push({ key: name?.toLowerCase() ?? "", casedKey: name ?? "", lines: [line] });
  }
  return rows.map(({ key, casedKey, lines }) => ({
    key,
    casedKey,
    line: lines.length === 1 && lines[0] !== undefined ? lines[0] : Buffer.concat(lines),
  }));
}

const CRLF = Buffer.from("\r\n");

function withoutLineEnd(raw: Buffer): Buffer {
  let end = raw.length;
  if (raw[end - 1] === 0x0a) end--;
  if (raw[end - 1] === 0x0d) end--;
  return raw.subarray(0, end);
}

/** Why this header is not verified; null for any that a mailer makes. */
function excessOf(header: Header, rows: readonly Row[]): string | null {
  if (header.size > MAX_HEADER_BYTES) return "header too large to verify";
  if (rows.length > MAX_FIELDS) return "too many header fields to verify";
  let parsed = 0;
  for (const { key, line } of rows) {
    if (!PARSED.test(key)) continue;
    if (line.length > MAX_PARSED_FIELD) return "header field too large to verify";
    if (++parsed > MAX_PARSED_FIELDS) return "too many signatures to verify";
  }
  return null;
}

function unread(comment: string): DkimSignature {
  return { result: "policy", domain: "", selector: "", algorithm: "", signature: "", comment };
}

function signatureOf({ signingDomain, selector, algo, signature, status }: Result): DkimSignature {
  const domain = (signingDomain ?? "").toLowerCase();
  const valid = DOMAIN.test(domain);
  const comment =
    typeof status.comment === "string" ? status.comment : (status.policy?.["dkim-rules"] ?? null);
  const described = {
    domain: valid ? domain : "",
    selector: String(selector ?? "").slice(0, 100),
    algorithm: String(algo ?? "").slice(0, 30),
    signature: typeof signature === "string" ? signature.slice(0, 8) : "",
  };
  if (status.result === "pass" && !valid)
    return { ...described, result: "permerror", comment: "bad domain" };
  if (status.result === "pass" && (status.underSized ?? 0) > 0)
    // Anybody may have put text behind what l= covers.
    return { ...described, result: "policy", comment: `${status.underSized} octets not signed` };
  return { ...described, result: wordOf(status.result, comment), comment };
}

function wordOf(result: string, comment: string | null): DkimWord {
  switch (result) {
    case "pass":
    case "fail":
    case "policy":
    case "temperror":
      return result;
    default:
      return comment !== null && KEY_ERRORS.test(comment) ? "permerror" : "neutral";
  }
}

function arcOf(result: ArcResult): ArcOutcome | null {
  if (result.status.result === "none") return null;
  const newest = Array.isArray(result.chain)
    ? (result.chain.at(-1) as ArcSet | undefined)
    : undefined;
  const sealer: unknown = newest?.["arc-seal"]?.parsed?.d?.value;
  const domain = typeof sealer === "string" ? sealer.toLowerCase() : "";
  const pass = result.status.result === "pass";
  return {
    result: pass ? "pass" : "fail",
    instance: typeof result.i === "number" ? result.i : 0,
    domain: DOMAIN.test(domain) ? domain : "",
    // With pass the comment repeats what the sealer claims.
    comment: pass ? null : (result.status.comment ?? null),
  };
}
