// What SpamAssassin knows of each tag: whether HTML 4 has it, and which white space it stands for. Called by page.ts.
import { Links } from "./links.ts";
import { TextStyles } from "./style.ts";

const ELEMENTS = `a abbr acronym address area b base bdo big blockquote body br button caption cite code col colgroup dd del dfn
  div dl dt em fieldset form h1 h2 h3 h4 h5 h6 head hr html i img input ins kbd label legend li link map meta noscript object ol
  optgroup option p param pre q samp script select small span strong style sub sup table tbody td textarea tfoot th thead title
  tr tt ul var applet basefont center dir font frame frameset iframe isindex menu noframes s strike u nobr x-sigsep x-tab`;

/** Rendered, but not counted as elements. */
const OTHERS = "bgsound embed listing plaintext xmp";

const WHITE: Readonly<Record<string, string>> = {
  "\n": "br div",
  " ": "li td th dt dd embed h1 h2 h3 h4 h5 h6",
  "\n\n": "p hr blockquote pre listing plaintext xmp title",
};

export interface Tag {
  readonly isElement: boolean;
  /** Its attributes say how text looks. */
  readonly isStyled: boolean;
  /** Its attributes hold addresses. */
  readonly isLinked: boolean;
  /** Its attributes are looked at for one reason or another. */
  readonly isAsked: boolean;
  /** Shown instead of the start and of the end tag; "" for none. */
  readonly white: string;
}

const TAGS = new Map<string, Tag>();
for (const name of `${ELEMENTS} ${OTHERS}`.split(/\s+/)) {
  const white = Object.keys(WHITE).find((key) => WHITE[key]?.split(" ").includes(name)) ?? "";
  const isStyled = TextStyles.KNOWS.has(name);
  const isLinked = Links.knows(name);
  const isAsked = isStyled || isLinked || ["img", "font", "form", "a"].includes(name);
  const isElement = !OTHERS.split(" ").includes(name);
  TAGS.set(name, { isElement, white, isStyled, isLinked, isAsked });
}

/** undefined for tags that mean nothing to SpamAssassin. */
export function tagOf(name: string): Tag | undefined {
  return TAGS.get(name);
}

/** Office's own tags, "o:p" or "st1:City": elements, but never rendered. */
export function isOffice(name: string): boolean {
  return name.includes(":") && /^(?:o|st\d):[\w-]+\/?$/.test(name);
}
