// What `postern doctor` says about clamd: whether each one answers, how old its database is, and whether sizes fit.
import { answersPing, askVersion } from "../clients/clamd-ask.ts";
import type { ClamdVersion } from "../clients/clamd-reply.ts";
import { parseEndpoint, type Endpoint } from "../clients/endpoint.ts";
import type { Config } from "../config.ts";

export interface ClamdFinding {
  readonly level: "ok" | "warning" | "wrong";
  readonly text: string;
}

const ASK_MS = 5_000;
const DAY_MS = 86_400_000;
/** freshclam asks several times a day; a database of a week ago is no longer kept up. */
const STALE_DAYS = 7;

/** Asks every endpoint, each within ten seconds. */
export async function clamdFindings(config: Config, now = Date.now()): Promise<ClamdFinding[]> {
  const { endpoints = [] } = config.clamd;
  if (endpoints.length === 0)
    return [{ level: "ok", text: "no virus scanner: [clamd] names no endpoints" }];
  const found = await Promise.all(
    endpoints.flatMap((text) => parseEndpoint(text) ?? []).map((one) => oneFinding(one, now)),
  );
  return [...found, ...sizes(config)];
}

async function oneFinding({ name, at }: Endpoint, now: number): Promise<ClamdFinding> {
  const version = await askVersion(at, ASK_MS);
  if (typeof version === "string")
    return {
      level: "wrong",
      text: `clamd ${name}: ${version}: ${advice(version)}`,
    };
  if (!(await answersPing(at, ASK_MS)))
    return { level: "wrong", text: `clamd ${name} names its version but answers no PING` };
  return described(name, version, now);
}

function described(name: string, { program, database }: ClamdVersion, now: number): ClamdFinding {
  const answers = `clamd ${name} answers: ClamAV ${program}`;
  if (database === null)
    return { level: "warning", text: `${answers}, without a daily database: is freshclam set up?` };
  const days = Math.floor(Math.max(0, now - database.at.getTime()) / DAY_MS);
  const age = `database ${database.number}, ${days} day(s) old`;
  return days > STALE_DAYS
    ? { level: "warning", text: `${answers}, ${age}: does freshclam run?` }
    : { level: "ok", text: `${answers}, ${age}` };
}

function advice(why: string): string {
  if (why === "EACCES")
    return "the user of postern may not use the socket: add it to clamd's group, or LocalSocketMode 666";
  if (why === "ENOENT" || why === "ECONNREFUSED")
    return "is it running, and is that its LocalSocket or TCPSocket? Until then mail is put off";
  return "mail is put off until it answers";
}

/** What clamd's StreamMaxLength is cannot be asked: only that our own settings fit each other. */
function sizes({ clamd, limits }: Config): ClamdFinding[] {
  const { max_size: max, oversize } = clamd;
  const said = `clamd is sent up to ${max} octets (its StreamMaxLength cannot be asked: it must not be less)`;
  if (limits.message_size <= max) return [{ level: "ok", text: said }];
  const fate =
    oversize === "skip"
      ? "larger mail goes on unscanned"
      : "larger mail is unchecked, which as shipped puts it off until the sender's server gives up";
  return [
    {
      level: "warning",
      text: `${said}; ${fate}: raise StreamMaxLength and [clamd] max_size, or set limits.message_size = ${max}`,
    },
  ];
}
