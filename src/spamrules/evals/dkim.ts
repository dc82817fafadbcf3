// SpamAssassin's DKIM plugin: signatures, ARC, signing practices (ADSP) and the welcome lists that want a signature. All of it is answered
// from postern's own check; without one nothing hits.
import { lower } from "../message/octets.ts";
import { adspOverride } from "./adsp.ts";
import { addressList } from "./address-list.ts";
import type { DkimSignature, EvalContext, Evals } from "./eval.ts";
import { bare } from "./senders.ts";
import { numberOf } from "./settings.ts";

const AUTHORS = Symbol("dkim authors");

function signaturesOf({ proofs, local }: EvalContext): readonly DkimSignature[] {
  return local ? [] : (proofs.dkim ?? []).filter(({ selector }) => selector !== "");
}

const isReady = ({ proofs, local }: EvalContext): boolean => !local && proofs.dkim !== null;

/** Valid, and its key as long as dkim_minimum_key_bits wants, if its length is known. */
function isStrong({ book }: EvalContext, { result, bits }: DkimSignature): boolean {
  if (result !== "pass") return false;
  return bits === null || bits >= numberOf(book.settings, "dkim_minimum_key_bits", 1024);
}

/** Lower case: the domain of i=, else d=. */
function signerOf({ identity, domain }: DkimSignature): string | null {
  if (identity === null) return domain === "" ? null : lower(domain);
  const host = /@([^\t-\r ]+)/.exec(identity)?.[1];
  return host === undefined ? null : lower(host);
}

interface Authors {
  readonly addresses: readonly string[];
  readonly domains: ReadonlySet<string>;
}

function authorsOf(context: EvalContext): Authors {
  return context.memo(AUTHORS, () => {
    const addresses = context.subject.getAll("From:addr").map(bare);
    const domains = addresses.map((address) => /@([^@]+?)[ \t]*$/.exec(address)?.[1]);
    return {
      addresses,
      domains: new Set(domains.filter((domain) => domain !== undefined).map(lower)),
    };
  });
}

/** ".example.com" and "*.example.com" are the domain with all below it. */
function isDomain(domain: string, wanted: string): boolean {
  const below = /^\*?\.(.*)$/s.exec(wanted)?.[1];
  if (below === undefined) return domain === lower(wanted);
  return domain === lower(below) || domain.endsWith(`.${lower(below)}`);
}

/** One of these domains signed, all of them when none is named; strongly if it must be so. */
function isSignedBy(
  context: EvalContext,
  domains: readonly string[],
  wants: { readonly valid: boolean; readonly author: boolean },
): boolean {
  return signaturesOf(context).some((signature) => {
    if (wants.valid && !isStrong(context, signature)) return false;
    const signer = signerOf(signature);
    if (signer === null || (wants.author && !authorsOf(context).domains.has(signer))) return false;
    return domains.length === 0 || domains.some((domain) => isDomain(signer, domain));
  });
}

function isValid(context: EvalContext, domains: readonly string[]): boolean {
  if (!signaturesOf(context).some(({ result }) => result === "pass")) return false;
  return domains.length === 0 || isSignedBy(context, domains, { valid: true, author: false });
}

/** Signed by the author's own domain, with a key of known and sufficient length. */
function isAuthorSigned(context: EvalContext, domain: string): boolean {
  const least = numberOf(context.book.settings, "dkim_minimum_key_bits", 1024);
  return signaturesOf(context).some(
    (signature) =>
      signature.result === "pass" &&
      signerOf(signature) === domain &&
      least > 0 &&
      (signature.bits ?? 0) >= least,
  );
}

function isDependable(context: EvalContext): boolean {
  if (!isReady(context)) return false;
  return signaturesOf(context).length === 0 || context.hits("__TRUNCATED") === 0;
}

/** What the author's domains say about unsigned mail: letters of N, U, A, D, 1, 2, 3. Of DNS only whether there is such a domain: records of practices are history. */
function practices(context: EvalContext): string[] {
  const found: string[] = [];
  for (const domain of authorsOf(context).domains) {
    if (!/.\.[a-z-]{2,}$/i.test(domain) || isAuthorSigned(context, domain)) continue;
    const own = signaturesOf(context).filter((signature) => signerOf(signature) === domain);
    if (own.some(({ result }) => result === "temperror")) continue;
    if (own.length > 0 && !isDependable(context)) continue;
    const practice = adspOverride(context.book.settings, domain);
    if (practice !== null) found.push(practice);
    else if (context.proofs.gone?.includes(domain) === true) found.push("N");
  }
  return found;
}

function fitsPractice(context: EvalContext, kinds: string, domains: readonly string[]): boolean {
  if (!isReady(context)) return false;
  const wanted = kinds === "*" ? "NAD123" : kinds;
  if (!practices(context).some((practice) => wanted.includes(practice))) return false;
  if (domains.length === 0) return true;
  return [...authorsOf(context).domains].some((author) =>
    domains.some((domain) => isDomain(author, domain)),
  );
}

/** On a list by the author's address, and signed by the domain that the list names: the author's own, or any given one. */
function isWelcome(context: EvalContext, pairList: string, plainList: string): boolean {
  const { addressPairs, addressLists } = context.book.settings;
  const valid = signaturesOf(context).filter((signature) => isStrong(context, signature));
  if (valid.length === 0) return false;
  return authorsOf(context).addresses.some((author) => {
    const own = lower(author.slice(author.lastIndexOf("@") + 1));
    const signedBy = (domain: string): boolean =>
      valid.some((signature) => isSigner(signerOf(signature), domain === "" ? own : domain));
    if (addressList(addressLists.get(plainList) ?? [])(author) && signedBy("")) return true;
    return (addressPairs.get(pairList) ?? []).some(
      ([glob, domains]) => addressList([glob])(author) && domains.some(signedBy),
    );
  });
}

/** Here "*.example.com" is what is below it, without the domain itself. */
function isSigner(signer: string | null, wanted: string): boolean {
  if (signer === null) return false;
  const domain = lower(wanted.slice(wanted.lastIndexOf("@") + 1));
  const below = /^\*?\.(.*)$/s.exec(domain)?.[1];
  return below === undefined ? signer === domain : signer.endsWith(`.${below}`);
}

function arc({ proofs, local }: EvalContext): string {
  return local ? "none" : (proofs.arc ?? "none");
}

const welcome = (context: EvalContext): boolean =>
  isWelcome(context, "welcomelist_from_dkim", "welcomelist_auth");
const welcomeByDefault = (context: EvalContext): boolean =>
  isWelcome(context, "def_welcomelist_from_dkim", "def_welcomelist_auth");

export const DKIM: Evals = {
  check_dkim_signed: (context, domains) =>
    signaturesOf(context).length > 0 &&
    (domains.length === 0 || isSignedBy(context, domains, { valid: false, author: false })),
  check_dkim_valid: isValid,
  check_dkim_verified: isValid,
  check_dkim_valid_author_sig: (context, domains) =>
    [...authorsOf(context).domains].some((domain) => isAuthorSigned(context, domain)) &&
    isSignedBy(context, domains, { valid: true, author: true }),
  check_dkim_valid_envelopefrom(context) {
    const domain = /@([^\t-\r ]+)/.exec(context.subject.get("EnvelopeFrom:addr") ?? "")?.[1];
    return domain !== undefined && isValid(context, [lower(domain)]);
  },
  check_dkim_dependable: isDependable,
  check_dkim_adsp: (context, [kinds = "", ...domains]) => fitsPractice(context, kinds, domains),
  check_dkim_signall: (context) => fitsPractice(context, "A", []),
  check_dkim_signsome: () => false,
  check_dkim_testing: () => false, // SpamAssassin never learns of a key that is being tested
  check_for_dkim_welcomelist_from: welcome,
  check_for_dkim_whitelist_from: welcome,
  check_for_def_dkim_welcomelist_from: welcomeByDefault,
  check_for_def_dkim_whitelist_from: welcomeByDefault,
  check_arc_signed: (context, domains) => domains.length === 0 && arc(context) !== "none",
  check_arc_valid: (context, domains) => domains.length === 0 && arc(context) === "pass",
};
