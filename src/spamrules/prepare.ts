// Makes the Subject of a message: octets in, everything that rules ask for out, each computed when it is first asked for.
import type { HtmlFacts } from "./html/facts.ts";
import { type HeaderAddress, parseAddresses } from "./message/addresses.ts";
import { envelopeFrom } from "./message/envelope-from.ts";
import { lower } from "./message/octets.ts";
import type { Parsed } from "./message/parse.ts";
import { parseMessage } from "./message/parse.ts";
import type { HtmlRenderer, Part } from "./message/part.ts";
import { requestFor, type Sources } from "./message/request.ts";
import { bodyLines, rawLines } from "./message/text.ts";
import { partsOf, readTree, type Tree } from "./message/tree.ts";
import type { Relays } from "./received/relays.ts";
import { relaysOf } from "./received/trust.ts";
import type { Settings } from "./rulebook.ts";
import type { Circumstances, ParseFlag, Subject } from "./subject.ts";
import { guessOf, type Guess } from "./textcat/guess.ts";
import type { UriDetail } from "./uri/detail.ts";
import { type FoundUris, uriFinder, type UriFinder } from "./uri/find.ts";
import { idnToAscii } from "./uri/idn.ts";

/** SpamAssassin's own marks, which a sender could forge. */
const OWN_FIELDS = /^x-spam-[^\n]*\n?$/;

type Lines = readonly string[];

/** What preparing needs besides the message. */
export interface Tools {
  readonly settings: Settings;
  readonly render: HtmlRenderer;
  readonly finder: UriFinder;
}

/** Made once per rule book. */
export function toolsOf(settings: Settings, render: HtmlRenderer): Tools {
  return { settings, render, finder: uriFinder(settings) };
}

/** Octets: the whole message, with an mbox line or without, whatever its line ends. */
export function prepare(octets: Buffer, circumstances: Circumstances, tools: Tools): Prepared {
  return new Prepared(octets.toString("latin1"), circumstances, tools);
}

export class Prepared implements Subject {
  readonly circumstances: Circumstances;
  readonly #tools: Tools;
  readonly #parsed: Parsed;
  readonly #tree: Tree;
  readonly #sources: Sources;
  readonly #answers = new Map<string, readonly string[]>();
  readonly #joined = new Map<string, string>();
  readonly #addresses = new Map<string, readonly HeaderAddress[]>();
  readonly #lines: { text?: Lines; visible?: Lines; invisible?: Lines } = {};
  #all: { readonly lines: Lines; readonly truncated: boolean } | undefined;
  #envelopeFrom: string | null | undefined;
  #pristine: string | undefined;
  #parts: readonly Part[] | undefined;
  #leaves: readonly Part[] | undefined;
  #rawbody: Lines | undefined;
  #flags: ReadonlySet<ParseFlag> | undefined;
  #htmlParts: readonly HtmlFacts[] | undefined;
  #html: HtmlFacts | null | undefined;
  #relays: Relays | undefined;
  #uris: FoundUris | undefined;
  #languages: Guess | null | undefined;

  constructor(octets: string, circumstances: Circumstances, tools: Tools) {
    this.circumstances = circumstances;
    this.#tools = tools;
    this.#parsed = parseMessage(octets);
    const { fields, pristineHeaders } = this.#parsed;
    this.#tree = readTree(this.#parsed, {
      render: tools.render,
      normalize: tools.settings.normalizeCharset,
    });
    fields.remove(OWN_FIELDS);
    this.#sources = {
      fields,
      pristineHeaders,
      boundaries: tools.finder.boundaries,
      relays: () => this.relays,
      all: () => this.#allFields.lines,
      envelopeFrom: () => this.envelopeFrom,
      addresses: (value) => this.#addressesIn(value),
      added: (key) => this.#added(key),
    };
  }

  get(field: string): string | undefined {
    const found = this.getAll(field);
    if (found.length < 2) return found[0];
    let joined = this.#joined.get(field);
    if (joined === undefined) {
      joined = found.join(found[0]?.endsWith("\n") === true ? "" : "\n");
      this.#joined.set(field, joined);
    }
    return joined;
  }

  getAll(field: string): readonly string[] {
    let found = this.#answers.get(field);
    if (found === undefined) {
      found = requestFor(field)(this.#sources);
      this.#answers.set(field, found);
    }
    return found;
  }

  #addressesIn(value: string): readonly HeaderAddress[] {
    let found = this.#addresses.get(value);
    if (found === undefined) {
      found = parseAddresses(value);
      this.#addresses.set(value, found);
    }
    return found;
  }

  get #allFields(): { readonly lines: Lines; readonly truncated: boolean } {
    return (this.#all ??= this.#parsed.fields.all());
  }

  #added(key: string): string | null {
    if (key === "x-languages") return this.languages?.names.join(" ") ?? null;
    if (key === "x-languages-length") return this.languages?.length.toString() ?? null;
    if (key === "x-senderdomain") {
      const host = this.getAll("EnvelopeFrom:first:addr:host")[0];
      return host === undefined ? null : idnToAscii(host);
    }
    if (key !== "x-authordomain") return null;
    const hosts = new Set(this.getAll("From:addr:host"));
    return hosts.size === 0 ? null : [...hosts].map(idnToAscii).join(" ");
  }

  /** The envelope's sender as far as the header tells; null: unknown, "": the null sender. */
  get envelopeFrom(): string | null {
    if (this.#envelopeFrom === undefined) {
      this.#envelopeFrom = envelopeFrom({
        senderHeader: this.#tools.settings.envelopeSenderHeader,
        relays: () => this.relays,
        get: (field) => this.get(field),
        getAll: (field) => this.getAll(field),
      });
    }
    return this.#envelopeFrom;
  }

  get headerNames(): readonly string[] {
    return this.#parsed.fields.names;
  }

  get pristineHeaders(): string {
    return this.#parsed.pristineHeaders;
  }

  get pristineBody(): string {
    return this.#parsed.pristineBody;
  }

  get pristine(): string {
    return (this.#pristine ??= this.pristineHeaders + this.pristineBody);
  }

  get root(): Part {
    return this.#tree.root;
  }

  get parts(): readonly Part[] {
    return (this.#parts ??= partsOf(this.root).filter((part) => part.type !== ""));
  }

  get #leafParts(): readonly Part[] {
    return (this.#leaves ??= this.parts.filter((part) => part.leaf));
  }

  #linesOf(which: "text" | "visible" | "invisible"): Lines {
    return (this.#lines[which] ??= this.#render(which));
  }

  #render(which: "text" | "visible" | "invisible"): Lines {
    if (this.#leafParts.length === 0) return [];
    const subject = this.#parsed.fields.value("subject");
    const first = which === "invisible" ? null : `${subject ?? ""}\n`;
    return bodyLines(this.#leafParts, which, first, this.#tools.settings.bodyPartScanSize);
  }

  get body(): Lines {
    return this.#linesOf("text");
  }

  get visibleBody(): Lines {
    return this.#linesOf("visible");
  }

  get invisibleBody(): Lines {
    return this.#linesOf("invisible");
  }

  get rawbody(): Lines {
    const { rawbodyPartScanSize } = this.#tools.settings;
    return (this.#rawbody ??= rawLines(this.#leafParts, rawbodyPartScanSize));
  }

  get flags(): ReadonlySet<ParseFlag> {
    if (this.#flags === undefined) {
      const flags = new Set(this.#tree.flags);
      if (this.#allFields.truncated) flags.add("truncated_header");
      this.#flags = flags;
    }
    return this.#flags;
  }

  /** By boundary: 0 when it ended as often as it began. */
  get boundaries(): ReadonlyMap<string, number> {
    return this.#tree.boundaries;
  }

  get htmlParts(): readonly HtmlFacts[] {
    return (this.#htmlParts ??= this.#leafParts.flatMap((part) => part.rendered?.html ?? []));
  }

  get html(): HtmlFacts | null {
    if (this.#html === undefined) {
      const last = this.#leafParts.findLast((part) => part.rendered?.type === "text/html");
      this.#html = last?.rendered?.html ?? null;
    }
    return this.#html;
  }

  get relays(): Relays {
    const { fields } = this.#parsed;
    return (this.#relays ??= relaysOf(fields.values("received"), {
      settings: this.#tools.settings,
      lastField: (name) => fields.value(lower(name)) ?? undefined,
    }));
  }

  get languages(): Guess | null {
    if (this.#languages === undefined)
      this.#languages = guessOf(() => this.body, this.#tools.settings);
    return this.#languages;
  }

  get #found(): FoundUris {
    const { fields } = this.#parsed;
    return (this.#uris ??= this.#tools.finder.find({
      body: this.body,
      html: this.htmlParts,
      signatures: () => [
        ...fields.values("dkim-signature"),
        ...fields.values("domainkey-signature"),
      ],
    }));
  }

  get uris(): readonly string[] {
    return this.#found.uris;
  }

  get uriDetails(): ReadonlyMap<string, UriDetail> {
    return this.#found.details;
  }

  get uriTruncated(): boolean {
    return this.#found.truncated;
  }
}
