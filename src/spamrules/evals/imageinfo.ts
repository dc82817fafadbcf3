// SpamAssassin's ImageInfo plugin: how many images of which size a message holds.
import { compilePerl } from "../pattern/translate.ts";
import type { MimePart } from "../subject.ts";
import type { EvalContext, Evals } from "./eval.ts";
import { type ImageKind, imageSize } from "./image-size.ts";

interface Images {
  /** Of one kind, or of "all": how many there are, readable or not. */
  readonly counts: ReadonlyMap<string, number>;
  /** Pixels together. */
  readonly areas: ReadonlyMap<string, number>;
  /** "HEIGHTxWIDTH". */
  readonly sizes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly names: ReadonlySet<string>;
}

const MEMO = Symbol("images");
const KINDS: readonly ImageKind[] = ["gif", "png", "jpeg"];
const TYPE = /^image\/(?:gif|png|jpe?g)$/;

function kindOf(part: MimePart): ImageKind | null {
  if (!part.leaf || !TYPE.test(part.type)) return null;
  const encoding = part.header("content-transfer-encoding").at(-1) ?? "";
  if (encoding.toLowerCase() !== "base64") return null;
  return KINDS.find((kind) => part.type === `image/${kind}`) ?? "jpeg";
}

function imagesOf(context: EvalContext): Images {
  return context.memo(MEMO, () => {
    const counts = new Map<string, number>(["all", ...KINDS].map((kind) => [kind, 0]));
    const areas = new Map(counts);
    const sizes = new Map<string, Set<string>>();
    const names = new Set<string>();
    for (const part of context.subject.parts) {
      const kind = kindOf(part);
      if (kind === null) continue;
      const size = imageSize(kind, part.decoded);
      for (const key of ["all", kind]) {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        if (size === null) continue;
        areas.set(key, (areas.get(key) ?? 0) + size.width * size.height);
        const known = sizes.get(key) ?? new Set();
        sizes.set(key, known.add(`${size.height}x${size.width}`));
      }
      if (size !== null && part.name !== null && part.name !== "" && part.name !== "0") {
        names.add(part.name);
      }
    }
    return { counts, areas, sizes, names };
  });
}

/** At least `min`, at most `max` if there is one. */
function isWithin(value: number | undefined, min: string, max: string | undefined): boolean {
  return value !== undefined && value >= Number(min) && (max === undefined || value <= Number(max));
}

export const IMAGE_INFO: Evals = {
  image_count: (context, [kind = "", min, max]) =>
    min !== undefined && isWithin(imagesOf(context).counts.get(kind), min, max),
  pixel_coverage: (context, [kind = "", min, max]) =>
    min !== undefined && isWithin(imagesOf(context).areas.get(kind), min, max),
  /** Octets of text, of the body or the raw body as the rule was declared, to a pixel; below MAX. */
  image_to_text_ratio: (context, [kind = "", min, max], rule) => {
    if (min === undefined || max === undefined) return false;
    const isRaw = rule.definition.type === "eval" && rule.definition.on === "rawbody";
    const lines = isRaw ? context.subject.rawbody : context.subject.body;
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    const area = imagesOf(context).areas.get(kind) ?? 0;
    if (length === 0 || area === 0) return false;
    return length / area >= Number(min) && length / area < Number(max);
  },
  image_size_exact: (context, [kind = "", height, width]) =>
    imagesOf(context).sizes.get(kind)?.has(`${height}x${width}`) === true,
  /** (KIND, MIN HEIGHT, MIN WIDTH, MAX HEIGHT, MAX WIDTH), the last two may be missing. */
  image_size_range: (context, [kind = "", minHeight, minWidth, maxHeight, maxWidth]) => {
    if (minHeight === undefined || minWidth === undefined) return false;
    for (const size of imagesOf(context).sizes.get(kind) ?? []) {
      const [height, width] = size.split("x").map(Number);
      if (isWithin(height, minHeight, maxHeight) && isWithin(width, minWidth, maxWidth))
        return true;
    }
    return false;
  },
  image_named: (context, [name = ""]) => imagesOf(context).names.has(name),
  image_name_regex: (context, [source]) => {
    const pattern = source === undefined ? null : compilePerl({ source, flags: "" });
    if (!(pattern instanceof RegExp)) return false;
    return [...imagesOf(context).names].some((name) => pattern.test(name));
  },
};
