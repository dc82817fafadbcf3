// Zip files that are something else than archives to their users: Office and OpenDocument files, programs for Java and Android. Says what
// they are, what they can do, and under which names their members count. Used by zip.ts.
import type { Attribute } from "../../mail/attributes.ts";
import type { Report } from "./format.ts";
import { CONTENT_TYPES, ooxmlKind, ooxmlName, ooxmlRelationships, ooxmlTypes } from "./ooxml.ts";
import { odfKind, odfManifest, odfName } from "./opendocument.ts";
import { textOf } from "./xml-tags.ts";

type Pieces = AsyncIterable<Buffer> | Iterable<Buffer>;

export interface Package {
  /** Short type. */
  readonly kind: string;
  /** True when users open it as a document and see no members: then it is no archive. */
  readonly document: boolean;
  /** The names of a member as rules for attachments should see them. */
  namesOf(names: readonly string[]): readonly string[];
  /**
   * Tells the report what a member with these names says of the document; when its text does, the function reads along with whoever
   * reads the member. Null when there is nothing to read.
   */
  watch(names: readonly string[], report: Report): ((octets: Pieces) => Pieces) | null;
}

const MIMETYPE = "mimetype";
const MANIFEST = "meta-inf/manifest.xml";
/** So much of a text is looked at. */
const MAX_TEXT = 1024 * 1024;

/** What these names make of the archive; `start` reads the first octets of a member. Null: a mere archive. */
export async function packageOf(
  names: readonly string[],
  start: (name: string) => Promise<Buffer>,
): Promise<Package | null> {
  const byName = new Map(names.map((name) => [name.toLowerCase(), name]));
  const lower = [...byName.keys()];
  const types = byName.get(CONTENT_TYPES);
  if (types !== undefined) {
    const kind = ooxmlKind(lower, textOf(await start(types)));
    if (kind !== null) return document(kind, watchOoxml);
  }
  const mimetype = byName.get(MIMETYPE);
  if (mimetype !== undefined) {
    const type = (await start(mimetype)).subarray(0, 256).toString("latin1").trim().toLowerCase();
    const kind = odfKind(type);
    if (kind !== null) return document(kind, watchOdf);
    if (type === "application/epub+zip") return archive("epub");
  }
  if (byName.has("androidmanifest.xml")) return archive("apk");
  if (byName.has("appxmanifest.xml")) return archive("appx");
  if (byName.has("meta-inf/manifest.mf")) return archive("jar");
  if (lower.some((name) => /^[^/]+\.kml$/.test(name))) return archive("kmz");
  return null;
}

const archive = (kind: string): Package => ({
  kind,
  document: false,
  namesOf: (names) => names,
  watch: () => null,
});

const document = (kind: string, watch: Package["watch"]): Package => ({
  kind,
  document: true,
  namesOf: (names) => names.flatMap((name) => documentName(name) ?? []),
  watch,
});

/**
 * Parts of a document carry names that nobody sees or opens. What Office throws away while it saves lies in "[trash]/0001.dat",
 * whatever it was: it has no name. A class identifier in the name of an XML part is none of those that Windows hides.
 */
function documentName(name: string): string | null {
  if (/^\/?\[trash\]\/\d+\.dat$/i.test(name)) return null;
  return /\.(?:xml|rels)$/i.test(name) ? name.replace(/[{}]/g, "") : name;
}

function watchOoxml(names: readonly string[], report: Report): ((octets: Pieces) => Pieces) | null {
  let read: ((text: string) => readonly Attribute[]) | null = null;
  for (const name of names.map((one) => one.toLowerCase())) {
    const said = ooxmlName(name);
    if (said !== null) report.attribute(said);
    if (name.endsWith(CONTENT_TYPES)) read = ooxmlTypes;
    else if (name.endsWith(".rels")) read = ooxmlRelationships;
  }
  if (read === null) return null;
  return along((text) => read(text).forEach((attribute) => report.attribute(attribute)));
}

function watchOdf(names: readonly string[], report: Report): ((octets: Pieces) => Pieces) | null {
  for (const name of names.map((one) => one.toLowerCase())) {
    const said = odfName(name);
    if (said !== null) report.attribute(said);
    if (name !== MANIFEST) continue;
    return along((text) => {
      if (odfManifest(text)) report.encrypted();
    });
  }
  return null;
}

/** Reads along and looks at the text when the reader has done or given up. */
const along = (look: (text: string) => void) =>
  async function* watched(octets: Pieces): AsyncGenerator<Buffer> {
    const kept: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of octets) {
        if (length < MAX_TEXT) kept.push(Buffer.from(piece.subarray(0, MAX_TEXT - length)));
        length += piece.length;
        yield piece;
      }
    } finally {
      look(textOf(Buffer.concat(kept)));
    }
  };
