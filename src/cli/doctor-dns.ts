// What `postern doctor` says about DNS: whether the resolver answers, and whether each list of dnsxl.rules is in order.
import { zoneTrouble } from "../checks/dnsxl-zones.ts";
import type { Config } from "../config.ts";
import { configuredDns } from "../lookups.ts";
import { compileAll } from "../rules-live.ts";
import { readRules } from "../ruleset/source.ts";
import type { Finding } from "./doctor-finding.ts";

/** Asks the root servers' names and every list, afresh; within the budget of `[dns]`. */
export async function dnsFindings(config: Config): Promise<Finding[]> {
  const dns = configuredDns(config, null);
  if (dns === null) return [{ level: "ok", text: "DNS is off: no lists, no SPF, DKIM or DMARC" }];
  const servers =
    typeof config.dns.servers === "string" ? "/etc/resolv.conf" : config.dns.servers.join(", ");
  try {
    const { status } = await dns.resolve("localhost", "A");
    const answers = status === "ok" || status === "nxdomain" || status === "nodata";
    // A server that knows only its own zones refuses other names, and is in order for them.
    const found: Finding[] = [
      answers || status === "refused"
        ? { level: "ok", text: `DNS ${servers} answers` }
        : {
            level: "warning",
            text: `DNS ${servers} does not answer (${status}): lists and sender authentication stay unchecked; see [dns] servers`,
          },
    ];
    const source = await readRules(config.server.rules_dir);
    const compiled = "errors" in source ? source : compileAll(source.ok, config);
    if ("errors" in compiled) return found; // said by the finding about rules
    const { zones } = compiled.ok.dnsxl;
    if (zones.length === 0) found.push({ level: "ok", text: "no DNS lists in dnsxl.rules" });
    const troubles = await Promise.all(zones.map((zone) => zoneTrouble(dns, zone)));
    for (const [i, { zone, listed }] of zones.entries()) {
      const trouble = troubles[i] ?? null;
      const how = listed === null ? "is not tested (test=no)" : "is in order";
      found.push(
        trouble === null
          ? { level: "ok", text: `DNS list ${zone} ${how}` }
          : {
              level: "wrong",
              text: `DNS list ${zone} ${trouble}: it is not asked; ${advice(trouble)}`,
            },
      );
    }
    return found;
  } finally {
    dns.close();
  }
}

function advice(trouble: string): string {
  if (trouble.startsWith("refuses us"))
    return "most lists refuse public resolvers and heavy use: run a resolver of your own ([dns] servers), or register with the list";
  if (trouble.startsWith("is answered by somebody else"))
    return "the resolver invents answers: use another one ([dns] servers)";
  if (trouble.startsWith("does not list")) return "take it out of dnsxl.rules, or see test= there";
  if (trouble.startsWith("lists everything"))
    return "the list is closed: take it out of dnsxl.rules";
  return "see [dns] servers, or take it out of dnsxl.rules";
}
