// Makes the Subject of a message: octets in, everything that rules ask for out, each computed when it is first asked for.
import type { HtmlFacts } from "./html/facts.ts";
import { envelopeFrom } from "./message/envelope-from.ts";
import type { Parsed } from "./message/parse.ts";
import { parseMessage } from "./message/parse.ts";
import type { HtmlRenderer, Part } from "./message/part.ts";
import { answer } from "./message/request.ts";
import { bodyLines, rawLines } from "./message/text.ts";
import { partsOf, readTree, type Tree } from "./message/tree.ts";
import type { Relays } from "./received/relays.ts";
import { relaysOf } from "./received/trust.ts";
import type { Settings } from "./rulebook.ts";
import type { Circumstances, ParseFlag, Subject } from "./subject.ts";
import type { UriDetail } from "./uri/detail.ts";
import { type FoundUris, uriFinder, type UriFinder } from "./uri/find.ts";
import { idnToAscii } from "./uri/idn.ts";

/** SpamAssassin's own marks, which a sender could forge. */
const OWN_FIELDS = /^x-spam-[^\n]*\n?$/;

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
  readonly #answers = new Map<string, readonly string[]>();
  readonly #kept = new Map<string, unknown>();

  constructor(octets: string, circumstances: Circumstances, tools: Tools) {
    this.circumstances = circumstances;
    this.#tools = tools;
    this.#parsed = parseMessage(octets);
    this.#tree = readTree(this.#parsed, {
      render: tools.render,
      normalize: tools.settings.normalizeCharset,
    });
    this.#parsed.fields.remove(OWN_FIELDS);
  }

  #keep<T>(name: string, make: () => T): T {
    if (!this.#kept.has(name)) this.#kept.set(name, make());
    return this.#kept.get(name) as T;
  }

  get(field: string): string | undefined {
    const found = this.getAll(field);
    if (found.length < 2) return found[0];
    return found.join(found[0]?.endsWith("\n") === true ? "" : "\n");
  }

  getAll(field: string): readonly string[] {
    let found = this.#answers.get(field);
    if (found === undefined) {
      found = answer(this.#sources(), field);
      this.#answers.set(field, found);
    }
    return found;
  }

  #sources(): Parameters<typeof answer>[0] {
    return this.#keep("sources", () => {
      const all = (): readonly string[] => this.#all.lines;
      const relays = (): Relays => this.relays;
      const sender = (): string | null => this.envelopeFrom;
      return {
        fields: this.#parsed.fields,
        pristineHeaders: this.#parsed.pristineHeaders,
        boundaries: this.#tools.finder.boundaries,
        metadata: (name: string) => this.#metadata(name),
        get all() {
          return all();
        },
        get relays() {
          return relays();
        },
        get envelopeFrom() {
          return sender();
        },
      };
    });
  }

  get #all(): { readonly lines: readonly string[]; readonly truncated: boolean } {
    return this.#keep("all", () => this.#parsed.fields.all());
  }

  #metadata(name: string): string | null {
    if (name === "x-senderdomain") {
      const host = this.getAll("EnvelopeFrom:first:addr:host")[0];
      return host === undefined ? null : idnToAscii(host);
    }
    if (name !== "x-authordomain") return null;
    const hosts = new Set(this.getAll("From:addr:host"));
    return hosts.size === 0 ? null : [...hosts].map(idnToAscii).join(" ");
  }

  /** The envelope's sender as far as the header tells; null: unknown, "": the null sender. */
  get envelopeFrom(): string | null {
    return this.#keep("envelopeFrom", () =>
      envelopeFrom({
        senderHeader: this.#tools.settings.envelopeSenderHeader,
        relays: () => this.relays,
        getAll: (field) => this.getAll(field),
      }),
    );
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
    return this.#keep("pristine", () => this.pristineHeaders + this.pristineBody);
  }

  get root(): Part {
    return this.#tree.root;
  }

  get parts(): readonly Part[] {
    return this.#keep("parts", () => partsOf(this.root).filter((part) => part.type !== ""));
  }

  get #leaves(): readonly Part[] {
    return this.#keep("leaves", () => this.parts.filter((part) => part.leaf));
  }

  #lines(which: "text" | "visible" | "invisible"): readonly string[] {
    return this.#keep(which, () => {
      if (this.#leaves.length === 0) return [];
      const subject = this.#parsed.fields.values("subject").at(-1);
      const first = which === "invisible" ? null : `${subject ?? ""}\n`;
      return bodyLines(this.#leaves, which, first, this.#tools.settings.bodyPartScanSize);
    });
  }

  get body(): readonly string[] {
    return this.#lines("text");
  }

  get visibleBody(): readonly string[] {
    return this.#lines("visible");
  }

  get invisibleBody(): readonly string[] {
    return this.#lines("invisible");
  }

  get rawbody(): readonly string[] {
    return this.#keep("rawbody", () =>
      rawLines(this.#leaves, this.#tools.settings.rawbodyPartScanSize),
    );
  }

  get flags(): ReadonlySet<ParseFlag> {
    return this.#keep("flags", () => {
      const flags = new Set(this.#tree.flags);
      if (this.#all.truncated) flags.add("truncated_header");
      return flags;
    });
  }

  /** By boundary: 0 when it ended as often as it began. */
  get boundaries(): ReadonlyMap<string, number> {
    return this.#tree.boundaries;
  }

  get htmlParts(): readonly HtmlFacts[] {
    return this.#keep("htmlParts", () => this.#leaves.flatMap((part) => part.rendered?.html ?? []));
  }

  get html(): HtmlFacts | null {
    return this.#keep("html", () => {
      const last = this.#leaves.findLast((part) => part.rendered?.type === "text/html");
      return last?.rendered?.html ?? null;
    });
  }

  get relays(): Relays {
    return this.#keep("relays", () =>
      relaysOf(this.#parsed.fields.values("received"), {
        settings: this.#tools.settings,
        lastField: (name) => this.#parsed.fields.values(name).at(-1),
      }),
    );
  }

  get #found(): FoundUris {
    return this.#keep("uris", () =>
      this.#tools.finder.find({
        body: this.body,
        html: this.htmlParts,
        signatures: () => [
          ...this.#parsed.fields.values("dkim-signature"),
          ...this.#parsed.fields.values("domainkey-signature"),
        ],
      }),
    );
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
