// Renders one HTML part as SpamAssassin does: its text, seen and unseen, and what its rules ask about HTML. Called by message/ for each part.
import type { Decoded } from "./entities.ts";
import type { HtmlFacts, HtmlText } from "./facts.ts";
import { characters, isHigh, isWord, plainSpaces, spaces, widthAt } from "./octets.ts";
import { Page } from "./page.ts";
import { RenderingDies } from "./style.ts";
import { HtmlTokens } from "./tokens.ts";

export interface HtmlSource {
  /** Length of the part before its charset was decoded, in octets. */
  readonly decodedLength: number;
  /**
   * False when the text was ASCII and was left as it came, which Perl then treats as single octets; true when a charset was decoded.
   * By default: whether there is an octet above 127.
   */
  readonly wide?: boolean;
}

/** `octets`: UTF-8 (or ASCII). Never throws; linear time. */
export function renderHtml(octets: string, source: HtmlSource): HtmlFacts {
  const wide = source.wide ?? isHigh(octets);
  const page = new Page(wide);
  const tokens = new HtmlTokens(page);
  try {
    tokens.parse(rewritten(octets, wide));
    // Elements left open would swallow the end.
    for (const tag of ["style", "script"]) {
      while ((page.inside.get(tag) ?? 0) > 0) tokens.parse(`</${tag}>`);
    }
    tokens.finish();
  } catch (error) {
    if (!(error instanceof RenderingDies)) throw error;
  }
  const text = page.pieces.all();
  const { hasHidden } = page.pieces;
  const visible = hasHidden ? page.pieces.only(false) : text;
  const invisible = hasHidden ? page.pieces.only(true) : { octets: "", wide: false };
  const told = page.isFinished;
  return {
    text: text.octets,
    visible: visible.octets,
    invisible: invisible.octets,
    narrow: narrowOnes({ text, visible, invisible }),
    metrics: metricsOf(page, characters(octets, wide), source.decodedLength, text),
    inside: told ? page.inside : new Map(),
    titles: told ? page.titles : [],
    anchors: told ? page.anchors.map((pieces) => pieces.join("")) : [],
    comments: told ? page.comments : [],
    scripts: told ? page.scripts : [],
    links: told ? page.links.all() : [],
    linkTruncated: told && page.links.truncated,
  };
}

/** Blanks for &nbsp;, "<br>" for "<br/>", straight quotes for curly ones. */
function rewritten(octets: string, wide: boolean): string {
  let text = octets.replaceAll("&nbsp;", " ");
  if (text.includes("/>")) text = text.replace(/<(\w+)[\t-\r ]*\/>/g, "<$1>");
  if (!wide || !isHigh(text)) return text;
  if (text.includes("/>")) text = text.replace(/<[\w\x80-\xff\t-\r ]+\/>/g, emptyTag);
  return text.replace(/\xe2\x80[\x9c\x9d]/g, '"');
}

/** The same with letters and white space beyond ASCII. */
function emptyTag(whole: string): string {
  let end = 1;
  for (;;) {
    const width = widthAt(whole, end);
    if (!isWord(whole.slice(end, end + width), true)) break;
    end += width;
  }
  const rest = plainSpaces(whole.slice(end, -2), true);
  return end > 1 && /^[\t-\r ]*$/.test(rest) ? `${whole.slice(0, end)}>` : whole;
}

function narrowOnes(texts: Readonly<Record<HtmlText, Decoded>>): ReadonlySet<HtmlText> {
  const names: HtmlText[] = ["text", "visible", "invisible"];
  return new Set(names.filter((name) => !texts[name].wide && isHigh(texts[name].octets)));
}

function metricsOf(
  page: Page,
  length: number,
  decodedLength: number,
  text: Decoded,
): Map<string, number> {
  const metrics = new Map<string, number>([...page.flags].map((flag) => [flag, 1]));
  const set = (name: string, value: number | undefined): void => {
    if (value !== undefined) metrics.set(name, value);
  };
  if (page.isFinished) {
    const { tags, elements, tagsSeen, elementsSeen, torn } = page;
    set("image_area", page.imageArea);
    set("length", length);
    set("min_size", page.styles.minSize);
    set("max_size", page.styles.maxSize);
    if (tags !== undefined) set("closed_extra_ratio", page.closedExtra / tags);
    if (page.tornWords.size > 0) set("backhair_count", page.tornWords.size);
    if (elements !== undefined && tags !== undefined) {
      set("bad_tag_ratio", (tags - elements) / tags);
    }
    if (elementsSeen !== undefined && tagsSeen !== undefined) {
      set("non_element_ratio", (tagsSeen - elementsSeen) / tagsSeen);
    }
    if (tags !== undefined && torn !== undefined) set("obfuscation_ratio", torn / tags);
    if (page.links.truncated) set("uri_truncated", 1);
  }
  const shown = characters(text.octets, text.wide);
  set("html_length", shown);
  set("non_space_len", shown - spaces(text.octets, text.wide));
  if (decodedLength > 0) set("ratio", (decodedLength - shown) / decodedLength);
  return metrics;
}
