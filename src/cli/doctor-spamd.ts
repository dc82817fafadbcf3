// What `postern doctor` says about spamd: whether each of [spamd] endpoints answers PING, and whether it names rules and points.
import { askPing, askReport } from "../clients/spamd-exchange.ts";
import type { Config } from "../config.ts";
import type { Body } from "../mail/message.ts";
import { spamdEndpoints } from "../scoring.ts";
import { ok, warning, wrong, type Finding } from "./doctor-finding.ts";

const PING_MS = 5_000;
/** A first scan may load rules. */
const SCAN_MS = 20_000;

const LETTER = Buffer.from(
  "From: postern doctor <postmaster@localhost>\r\nSubject: does it answer?\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n",
);

/** Within 5 s for a PING and 20 s for a test message each. */
export async function spamdFindings(config: Config): Promise<Finding[]> {
  const endpoints = spamdEndpoints(config);
  if (endpoints.length === 0) return [ok("no spamd is asked: [spamd] endpoints is not set")];
  const found: Finding[] = [];
  for (const { name, at } of endpoints) {
    const trouble = await askPing(at, PING_MS);
    if (trouble === null) found.push(ok(`spamd ${name} answers PING`), await scan(name, at));
    else found.push(wrong(`spamd ${name}: ${trouble}: ${advice(trouble)}`));
  }
  return found;
}

/** The public test message tells whether scores come with the names of their rules. */
async function scan(name: string, at: Parameters<typeof askReport>[0]): Promise<Finding> {
  const body: Body = { size: LETTER.length, bytes: [LETTER], open: () => letter() };
  const { signal } = new AbortController();
  const limits = { connectMs: PING_MS, deadlineMs: SCAN_MS, signal };
  const reply = await askReport(at, body, null, limits);
  if (reply.kind === "error")
    return wrong(`spamd ${name} scores nothing: ${reply.why}; see its log`);
  const said = `spamd ${name} gives the test message ${reply.total} points`;
  if (reply.rules.length === 0)
    return warning(
      `${said} but names no rules: its report template has neither _SUMMARY_ nor the line of deploy/spamassassin/postern.cf`,
    );
  return ok(
    `${said} by ${reply.rules.length} rules, points ${reply.exact ? "exact" : "rounded to a tenth (deploy/spamassassin/postern.cf gives exact ones)"}`,
  );
}

async function* letter(): AsyncIterable<Buffer> {
  yield LETTER;
}

function advice(trouble: string): string {
  if (/EACCES|EPERM/.test(trouble))
    return "the socket is not ours to use: spamd --socketmode=0660 --socketgroup=postern";
  if (/ENOENT|ECONNREFUSED/.test(trouble)) return "is it running there? systemctl status spamd";
  if (/none of spamd's/.test(trouble)) return "something else listens there: see [spamd] endpoints";
  return "it hangs, or all its children are busy: see --max-children and [spamd] in_flight";
}
