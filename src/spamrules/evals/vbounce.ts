// SpamAssassin's VBounce plugin: whether a bounce quotes mail that went out over one of our relays (welcomelist_bounce_relays).
import type { Settings } from "../rulebook.ts";
import { addressList, type AddressList } from "./address-list.ts";
import type { EvalContext, Evals } from "./eval.ts";

const LIST = "welcomelist_bounce_relays";
const RECEIVED = /^[> ]*Received:/i;

function relaysOf(settings: Settings): AddressList | null {
  const globs = settings.addressLists.get(LIST) ?? [];
  return globs.length === 0 ? null : addressList(globs);
}

function quotesOurRelay({ book, subject }: EvalContext): boolean {
  const isOurs = relaysOf(book.settings);
  if (isOurs === null) return false;
  for (const line of subject.body)
    if (RECEIVED.test(line) && namesIn(line, / ([^\t-\r ]+\.[^\t-\r ]+) /g).some(isOurs))
      return true;
  return /Received:/i.test(subject.pristineBody) && inQuotedHeaders(subject.pristineBody, isOurs);
}

/** Headers of attached and quoted mail, continuation lines joined, from the first Received on. */
function inQuotedHeaders(text: string, isOurs: AddressList): boolean {
  let field = "";
  let asked = "";
  const ask = (): boolean => RECEIVED.test(asked) && namesIn(asked, NAMES).some(isOurs);
  let begun = false;
  for (const line of text.split("\n")) {
    if (!begun && !RECEIVED.test(line)) continue;
    begun = true;
    if (/^[\t-\r ]/.test(line)) field += line;
    else {
      if (ask()) return true;
      field = line;
    }
    asked = field;
  }
  return ask();
}

const NAMES = /[\t-\r ]([^\t-\r ]+\.[^\t-\r ]+)[\t-\r ]/g;

function namesIn(text: string, pattern: RegExp): string[] {
  return Array.from(text.matchAll(pattern), (match) => match[1] ?? "");
}

export const VBOUNCE: Evals = {
  have_any_bounce_relays: ({ book }) => relaysOf(book.settings) !== null,
  check_welcomelist_bounce_relays: quotesOurRelay,
  check_whitelist_bounce_relays: quotesOurRelay,
};
