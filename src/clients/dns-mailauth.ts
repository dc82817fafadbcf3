// Our resolver in the shape that mailauth takes as `resolver`: the records alone, or an error with the codes of node:dns.
// Called by the auth check.
import { encodeName } from "./dns-name.ts";
import type { Asking, Dns, DnsStatus, MxRecord } from "./dns.ts";
import { isDnsType } from "./dns-packet.ts";

export type ClassicResolver = (
  name: string,
  type: string,
) => Promise<readonly string[] | readonly (readonly string[])[] | readonly MxRecord[]>;

/** "No" is ENOTFOUND or ENODATA (a void lookup, RFC 7208 4.6.4); everything else is a temporary error. */
const CODES: Readonly<Record<Exclude<DnsStatus, "ok">, string>> = {
  nxdomain: "ENOTFOUND",
  nodata: "ENODATA",
  servfail: "ESERVFAIL",
  timeout: "ETIMEOUT",
  refused: "EREFUSED",
  bad: "EBADRESP",
};

/** The function to hand to mailauth. Rejects with an Error whose `code` is one of ENOTFOUND, ENODATA, ESERVFAIL, …. */
export function mailauthResolver(dns: Dns, asking: Asking = {}): ClassicResolver {
  return async (name, type) => {
    const wanted = type.toUpperCase();
    if (!isDnsType(wanted)) throw coded("ENOTIMP", name, wanted);
    // A name that cannot stand in a question does not exist (RFC 7208 4.3).
    if (encodeName(name) === null) throw coded("ENOTFOUND", name, wanted);
    const { status, records } = await dns.resolve(name, wanted, asking);
    if (status !== "ok") throw coded(CODES[status], name, wanted);
    // Callers may sort or cut what they get; the cache keeps its own.
    return structuredClone(records) as Awaited<ReturnType<ClassicResolver>>;
  };
}

function coded(code: string, name: string, type: string): Error {
  return Object.assign(new Error(`${type} of ${name}: ${code}`), { code });
}
