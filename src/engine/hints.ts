// Header lines that go with a message whose recipient passes (X-RBL-Warning, X-Greylist), for readers behind an MTA without
// our filter (the filter writes its own). An access table takes one line per answer, and the field belongs to the message, not
// to the recipient: so each line once per instance. Called by answer-rcpt.ts.
import { rblWarnings } from "../checks/dnsxl.ts";
import { GREYLIST_DELAYED } from "../checks/greylist-delay.ts";
import type { Finding } from "../verdict/finding.ts";

export interface Hints {
  /** The next line that this message has not got yet; null = none. */
  next(instance: string, findings: readonly Finding[]): string | null;
}

const MAX_INSTANCES = 10_000;

/** What one process has said; an MTA asks about one message on one connection. */
export function hints(): Hints {
  const said = new Map<string, Set<string>>();
  return {
    next(instance, findings) {
      if (findings.length === 0) return null;
      const lines = linesOf(findings);
      if (lines.length === 0) return null;
      if (instance === "") return lines[0] ?? null;
      let known = said.get(instance);
      if (known === undefined) {
        known = new Set();
        said.set(instance, known);
        if (said.size > MAX_INSTANCES) {
          const [oldest] = said.keys();
          if (oldest !== undefined) said.delete(oldest);
        }
      }
      const line = lines.find((one) => !known.has(one));
      if (line === undefined) return null;
      known.add(line);
      return line;
    },
  };
}

function linesOf(findings: readonly Finding[]): readonly string[] {
  const delayed = findings.filter(({ symbol }) => symbol === GREYLIST_DELAYED.symbol);
  return [
    ...rblWarnings(findings).map((text) => `X-RBL-Warning: ${text}`),
    ...delayed.map(({ detail }) => `X-Greylist: ${detail}`),
  ];
}
