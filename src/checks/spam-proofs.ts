// What the auth check found about a message, as SpamAssassin's rules for SPF, DKIM, DMARC and ARC ask for it: so nothing is verified twice.
// Called by the spam check.
import { canonicalIp } from "../mail/ip.ts";
import type { Header } from "../mail/header.ts";
import type { Message } from "../mail/message.ts";
import { organisation } from "../mail/organisation.ts";
import type { DkimSignature, Proofs } from "../spamrules/evals/eval.ts";
import type { Finding } from "../verdict/finding.ts";
import { lookups, type Resolver } from "./auth-lookups.ts";
import { spfOf } from "./auth-spf.ts";
import { authorsOf } from "./authors.ts";

export const NO_PROOFS: Proofs = { spf: null, dkim: null, dmarc: null, arc: null };

/** detailOf() of auth-results.ts, read back: method, result, comment, properties. */
const RESULT = /^([a-z]+)=([a-z]+)(?: \(([^()]*)\))?((?: [a-z.]+=(?:"[^"]*"|[^" ]+))*)$/;
const PROPERTY = / ([a-z.]+)=(?:"([^"]*)"|([^" ]+))/g;

interface Result {
  readonly method: string;
  readonly result: string;
  readonly comment: string;
  readonly properties: ReadonlyMap<string, string>;
}

/** The same with what else SpamAssassin asks about where a message is from, of `resolver`; only for mail that is verified at all. */
export async function provenAt(
  { header, envelope }: Message,
  findings: readonly Finding[],
  resolver: Resolver | null,
  signal: AbortSignal,
): Promise<Proofs> {
  if (resolver === null || !findings.some(({ check }) => check === "auth"))
    return proofsOf(header, findings, null);
  const { client } = envelope;
  const name = client.helo?.replace(/\.$/, "").toLowerCase() ?? "";
  // SpamAssassin does not ask about numbers, nor about names without a dot.
  const named = name.includes(".") && canonicalIp(name.replace(/^\[|\]$/g, "")) === null;
  const dns = lookups(resolver, { deadlineMs: BESIDES_MS, maxQuestions: 2 * MAX_AUTHORS, signal });
  try {
    const [spf, gone] = await Promise.all([
      named ? spfOf(client, name, null, resolver, signal, BESIDES_MS) : null,
      goneOf(header, dns.resolve),
    ]);
    const proofs = proofsOf(header, findings, spf?.result ?? null);
    return { ...proofs, gone, dmarc: dmarcAsTheirs(proofs, findings, name, gone) };
  } finally {
    dns.end();
  }
}

/** Authors whose domains are looked up. */
const MAX_AUTHORS = 3;

/** Those of the authors' domains, and of the organisations they belong to, that DNS does not know. */
async function goneOf(header: Header, resolve: Resolver): Promise<string[]> {
  const all = authorsOf(header).map(({ domain }) => domain.toLowerCase());
  const authors = [...new Set(all)].slice(0, MAX_AUTHORS);
  const domains = [
    ...new Set(authors.flatMap((domain) => [domain, organisation(domain) ?? domain])),
  ];
  const isGone = async (domain: string): Promise<boolean> => {
    try {
      await resolve(domain, "MX");
      return false;
    } catch (error) {
      return (error as { readonly code?: string }).code === "ENOTFOUND";
    }
  };
  const gone = await Promise.all(domains.map(isGone));
  return domains.filter((_, i) => gone[i]);
}

/**
 * QUIRK: Mail::DMARC also takes SPF's pass for the name in HELO (RFC 7489 3.1.2 does not), and finds no policy where there is no
 * such domain.
 */
function dmarcAsTheirs(
  { spf, dmarc }: Proofs,
  findings: readonly Finding[],
  helo: string,
  gone: readonly string[],
): Proofs["dmarc"] {
  if (dmarc === null) return null;
  const from = findings
    .flatMap((finding) => (finding.check === "auth" ? resultOf(finding) : []))
    .find(({ method }) => method === "dmarc")
    ?.properties.get("header.from");
  if (from === undefined) return dmarc;
  const mine = organisation(from);
  if (gone.includes(from) && gone.includes(mine ?? from)) return { result: "none", policy: "" };
  const byHelo = spf?.helo === "pass" && spf.mailFrom !== "pass";
  if (dmarc.result !== "fail" || !byHelo || mine === null || organisation(helo) !== mine)
    return dmarc;
  return { result: "pass", policy: dmarc.policy };
}

/** Milliseconds; the rules that hang on it are worth little. */
const BESIDES_MS = 2_000;

/**
 * All null when the auth check has not run. `helo` is SPF's result for the name in HELO, which that check asks for only where there is
 * no sender. A signature that covers the body in part is not taken for valid, as SpamAssassin takes it: whatever was put behind it
 * would be welcome.
 */
export function proofsOf(
  header: Header,
  findings: readonly Finding[],
  helo: string | null,
): Proofs {
  const results = findings.filter(({ check }) => check === "auth").flatMap(resultOf);
  if (results.length === 0) return NO_PROOFS;
  const of = (method: string): Result[] => results.filter((result) => result.method === method);
  const [spf] = of("spf");
  const [dmarc] = of("dmarc");
  const [arc] = of("arc");
  const atHelo = spf?.properties.has("smtp.helo") === true;
  return {
    spf:
      spf === undefined && helo === null
        ? null
        : {
            mailFrom: spf?.result ?? null,
            helo: helo ?? (atHelo ? (spf?.result ?? null) : null),
          },
    dkim: signatures(header, of("dkim")),
    dmarc: dmarc === undefined ? null : policyOf(dmarc),
    arc: arc?.result ?? "none",
  };
}

function resultOf({ detail }: Finding): Result[] {
  const [whole, method = "", result = "", comment = "", rest = ""] = RESULT.exec(detail) ?? [];
  if (whole === undefined) return [];
  const properties = new Map(
    Array.from(rest.matchAll(PROPERTY), ([, name = "", quoted, plain]) => [
      name,
      quoted ?? plain ?? "",
    ]),
  );
  return [{ method, result, comment, properties }];
}

/** With pass there was a policy, whichever. */
function policyOf({ result, comment }: Result): Proofs["dmarc"] {
  if (result === "pass") return { result, policy: "none" };
  if (result === "none") return { result, policy: "" };
  return result === "fail" ? { result, policy: comment.replace(/^p=/, "") } : null;
}

function signatures(header: Header, results: readonly Result[]): DkimSignature[] {
  const identities = identitiesOf(header);
  return results
    .filter(({ properties }) => properties.has("header.d"))
    .map(({ result, properties }) => ({
      result,
      domain: properties.get("header.d") ?? "",
      selector: properties.get("header.s") ?? "",
      identity: identities.get(properties.get("header.b") ?? "") ?? null,
      // At least so many where it passes: a shorter key is no pass to us.
      bits: properties.get("header.a")?.startsWith("rsa") === true ? SHORTEST_KEY : null,
    }));
}

const SHORTEST_KEY = 1024;
const MAX_SIGNATURES = 20;
const MAX_SIGNATURE = 8192;

/** i= by the first octets of b=, as the auth check tells signatures apart. */
function identitiesOf({ fields }: Header): Map<string, string> {
  const found = new Map<string, string>();
  const signed = fields.filter(({ name }) => name.toLowerCase() === "dkim-signature");
  for (const { value } of signed.slice(0, MAX_SIGNATURES)) {
    const tags = new Map(
      value
        .slice(0, MAX_SIGNATURE)
        .split(";")
        .map((tag) => tag.replace(/[ \t\r\n]+/g, ""))
        .map((tag) => [tag.slice(0, tag.indexOf("=")), tag.slice(tag.indexOf("=") + 1)]),
    );
    const identity = tags.get("i");
    if (identity?.includes("@") === true) found.set((tags.get("b") ?? "").slice(0, 8), identity);
  }
  return found;
}
