// adsp_override lines: what the rules know of the signing practices of domains. Asked by dkim.ts.
import type { Settings } from "../rulebook.ts";

const LINE =
  /^@?([*a-z0-9._-]+)(?:[\t-\r ]+(nxdomain|unknown|all|discardable|custom_low|custom_med|custom_high))?$/i;
const LETTERS: Readonly<Record<string, string>> = {
  nxdomain: "N",
  unknown: "U",
  all: "A",
  discardable: "D",
  custom_low: "1",
  custom_med: "2",
  custom_high: "3",
};

const made = new WeakMap<Settings, ReadonlyMap<string, string>>();

/** N, U, A, D, 1, 2 or 3 for a domain in lower case, of the line that names it or of the nearest "*." above; null without one. */
export function adspOverride(settings: Settings, domain: string): string | null {
  let lines = made.get(settings);
  if (!lines) made.set(settings, (lines = read(settings.others.get("adsp_override") ?? [])));
  const exact = lines.get(domain);
  if (exact !== undefined) return exact;
  const labels = domain.split(".");
  for (let from = 1; from <= labels.length; from += 1) {
    const found = lines.get(["*", ...labels.slice(from)].join("."));
    if (found !== undefined) return found;
  }
  return null;
}

function read(lines: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [whole, domain = "", practice = "discardable"] = LINE.exec(line.trim()) ?? [];
    if (whole !== undefined)
      found.set(domain.toLowerCase(), LETTERS[practice.toLowerCase()] ?? "U");
  }
  return found;
}
