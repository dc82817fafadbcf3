// `npm run bench -- greylist`: what greylisting stops and whom it delays, `always` against `selective`, with and without the keys
// for pools of senders, at RCPT and at the end of DATA, over a grid of worlds. The checks and the store are the real ones (SQLite
// in memory); the clock and the senders are made up (greylist-world.ts).
import { DatabaseSync } from "node:sqlite";
import { greylist, greylistAtRcpt, type GreylistMeans } from "../../src/checks/greylist.ts";
import { UNKNOWN_CLIENT, type Client } from "../../src/mail/message.ts";
import { sqliteOperations } from "../../src/state/sqlite-operations.ts";
import { SCHEMA } from "../../src/state/sqlite-schema.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import { SUSPICIONS } from "../../src/verdict/suspicion.ts";
import { address, message } from "../fakes/message.ts";
import {
  DAY,
  HOUR,
  MIN,
  world,
  type Host,
  type Mail,
  type WorldOptions,
} from "./greylist-world.ts";

export interface Mode {
  readonly when: "always" | "selective";
  /** Proven domains, DKIM and the text as keys beside the network. */
  readonly keys: boolean;
  readonly stage: "rcpt" | "data";
}

export interface Outcome {
  /** Shares of all bad and all good mail. */
  readonly stopped: number;
  readonly delayed: number;
  /** Good mail that was given up, which must be none. */
  readonly lost: number;
  /** Mean and worst wait of delayed good mail, in minutes. */
  readonly meanWait: number;
  readonly worstWait: number;
}

const COVERAGE = [0.3, 0.5, 0.7, 0.9];
const RETRYING = [0, 0.05, 0.15, 0.3];
const POOLS = [0.1, 0.25, 0.4, 0.6];
/** The point that the region must contain. */
const POINT: WorldOptions = { listedZombies: 0.7, retryingBots: 0.05, poolMail: 0.4 };
/** Catches that differ by no more than this are the same. */
const SAME = 0.03;
const TIMES_FEWER = 10;
const T0 = Date.UTC(2026, 0, 1);
const SIGNAL = new AbortController().signal;

const MODES: readonly Mode[] = (["rcpt", "data"] as const).flatMap((stage) =>
  [false, true].flatMap((keys) =>
    (["always", "selective"] as const).map((when) => ({ when, keys, stage })),
  ),
);

/** Sends all mail of a world through one way of greylisting. */
export async function simulate(options: WorldOptions, mode: Mode): Promise<Outcome> {
  const clock = { now: T0 };
  const judge = judgeOf(mode, clock);
  const events = new Timeline();
  for (const mail of world(options)) events.add({ at: mail.at, mail, attempt: 1 });
  let [good, bad, stopped, delayed, lost, sum, worst] = [0, 0, 0, 0, 0, 0, 0];
  for (let event = events.next(); event !== null; event = events.next()) {
    const { mail, attempt, at } = event;
    clock.now = T0 + at;
    const waits = await judge(mail, mail.host(attempt));
    const again = waits ? mail.retry(attempt) : null;
    if (attempt === 1 && mail.good) good += 1;
    if (attempt === 1 && !mail.good) bad += 1;
    if (attempt === 1 && waits && mail.good) delayed += 1;
    if (again !== null) events.add({ at: at + again, mail, attempt: attempt + 1 });
    else if (waits && mail.good) lost += 1;
    else if (waits) stopped += 1;
    else if (mail.good && attempt > 1) {
      sum += at - mail.at;
      worst = Math.max(worst, at - mail.at);
    }
  }
  return {
    stopped: stopped / bad,
    delayed: delayed / good,
    lost: lost / good,
    meanWait: delayed === 0 ? 0 : sum / delayed / MIN,
    worstWait: worst / MIN,
  };
}

interface Event {
  readonly at: number;
  readonly mail: Mail;
  readonly attempt: number;
}

/** Events in order of time: a binary heap. */
class Timeline {
  private readonly heap: Event[] = [];

  add(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if ((heap[up] as Event).at <= event.at) break;
      heap[at] = heap[up] as Event;
      at = up;
    }
    heap[at] = event;
  }

  next(): Event | null {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      const right = heap[down + 1];
      if (right !== undefined && right.at < (heap[down] as Event).at) down += 1;
      const below = heap[down];
      if (below === undefined || below.at >= last.at) break;
      heap[at] = below;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

/** True when this try is told to come back. */
function judgeOf(mode: Mode, clock: { now: number }): (mail: Mail, host: Host) => Promise<boolean> {
  const db = new DatabaseSync(":memory:");
  db.exec(SCHEMA);
  const store = sqliteOperations(db);
  const dns = { spf: "none", domain: "" };
  const means: GreylistMeans = {
    store: {
      ask: async (questions, times, now) =>
        store.ask(
          mode.keys
            ? questions
            : questions.map((question) => ({
                ...question,
                origins: question.origins.filter((origin) => origin.startsWith("net:")),
                clients: question.clients.filter((client) => client.startsWith("net:")),
              })),
          times,
          now,
          true,
        ),
      peek: async () => [],
    },
    times: {
      delay: 5 * MIN,
      window: 2 * DAY,
      lifetime: 35 * DAY,
      autoWhitelist: 5,
      countEvery: HOUR,
    },
    when: mode.when === "always" ? "always" : new Set(SUSPICIONS),
    scoreFrom: 3,
    scoreTo: 10,
    shared: new Set(),
    dns: {
      names: async () => ({ name: null, confirmed: false, failed: false }),
      spf: async () => ({ result: dns.spf, domain: dns.domain, wide: false }),
    },
    internal: { has: () => false },
    relays: { has: () => false },
    hostname: "mx.ours.example",
    product: "postern",
    atData: () => true,
    now: () => clock.now,
    log() {},
    told() {},
  };
  const [atRcpt, atData] = [greylistAtRcpt(means), greylist(means)];
  return async (mail, host) => {
    const client: Client = { ...UNKNOWN_CLIENT, ...host };
    dns.spf = mail.spf;
    dns.domain = address(mail.sender).domain;
    const found =
      mode.stage === "rcpt"
        ? await atRcpt.run(question(mail, client), { findings: listed(host), signal: SIGNAL })
        : await atData.run(
            message({
              client,
              sender: mail.sender,
              recipients: [mail.recipient],
              header: `From: <${mail.sender}>\r\nSubject: ${mail.text}\r\n\r\n`,
            }),
            { findings: [...listed(host), ...proofs(mail, dns.domain)], signal: SIGNAL },
          );
    return found.some(({ symbol }) => symbol === "GREYLISTED");
  };
}

function question(
  mail: Mail,
  client: Client,
): Parameters<ReturnType<typeof greylistAtRcpt>["run"]>[0] {
  return {
    client,
    login: null,
    sender: address(mail.sender),
    recipient: address(mail.recipient),
    recipientCount: 0,
    size: 0,
    state: "RCPT",
    instance: "",
    context: "",
    origin: "inbound",
  };
}

const finding = (check: string, symbol: string, detail: string, score = 0): Finding => ({
  check,
  symbol,
  category: symbol === "DNSXL_LISTED" ? "listed" : "note",
  score,
  detail,
});

const listed = (host: Host): Finding[] =>
  host.listed ? [finding("dnsxl", "DNSXL_LISTED", "listed")] : [];

function proofs(mail: Mail, domain: string): Finding[] {
  const spf = finding(
    "auth",
    `SPF_${mail.spf.toUpperCase()}`,
    `spf=${mail.spf} smtp.mailfrom=${domain}`,
  );
  const dkim =
    mail.dkim === null ? [] : [finding("auth", "DKIM_PASS", `dkim=pass header.d=${mail.dkim}`)];
  return [spf, ...dkim, finding("spam", "SCORE", "", mail.score)];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const cell = (share: number): string => String(Math.round(100 * share));

/** Prints the tables; 1 when the region does not hold the point that it must. */
export async function greylistSimulation({ json }: { readonly json: boolean }): Promise<number> {
  const results: { world: WorldOptions; mode: Mode; outcome: Outcome }[] = [];
  for (const poolMail of POOLS)
    for (const retryingBots of RETRYING) {
      const always = new Map<Mode, Outcome>();
      for (const listedZombies of COVERAGE)
        for (const mode of MODES) {
          const options = { listedZombies, retryingBots, poolMail };
          // Who waits always does not wait for a list.
          const known = always.get(mode);
          const outcome = known ?? (await simulate(options, mode));
          if (mode.when === "always") always.set(mode, outcome);
          results.push({ world: options, mode, outcome });
        }
    }
  if (json) {
    process.stdout.write(`${JSON.stringify(results, null, 1)}\n`);
    return 0;
  }
  const find = (options: WorldOptions, mode: Partial<Mode>): Outcome => {
    const hit = results.find(
      ({ world: w, mode: m }) =>
        w.listedZombies === options.listedZombies &&
        w.retryingBots === options.retryingBots &&
        w.poolMail === options.poolMail &&
        Object.entries(mode).every(([key, value]) => m[key as keyof Mode] === value),
    );
    if (hit === undefined) throw new Error("this cell was not simulated");
    return hit.outcome;
  };
  let whole = true;
  for (const stage of ["rcpt", "data"] as const) {
    pointTable(stage, (mode) => find(POINT, { ...mode, stage }));
    whole = region(stage, (options, when) => find(options, { when, keys: true, stage })) && whole;
  }
  return whole ? 0 : 1;
}

const out = (line: string): void => void process.stdout.write(`${line}\n`);

function pointTable(stage: string, of: (mode: Partial<Mode>) => Outcome): void {
  out(
    `\n### ${stage.toUpperCase()}: lists know 70 % of the zombies, 5 % of the bots retry, 40 % of good mail comes from pools\n`,
  );
  out(
    "| when | keys | spam stopped | good mail delayed | mean wait | worst wait | good mail lost |",
  );
  out("| --- | --- | --- | --- | --- | --- | --- |");
  for (const keys of [false, true])
    for (const when of ["always", "selective"] as const) {
      const { stopped, delayed, meanWait, worstWait, lost } = of({ when, keys });
      out(
        `| ${when} | ${keys ? "network, proven domain, text" : "network"} | ${percent(stopped)} | ${percent(delayed)} | ${meanWait.toFixed(0)} min | ${worstWait.toFixed(0)} min | ${percent(lost)} |`,
      );
    }
}

/** The worlds where selective delays so many times fewer good mails at the same catch. True when the point is among them. */
function region(
  stage: string,
  of: (options: WorldOptions, when: Mode["when"]) => Outcome,
): boolean {
  out(
    `\n### ${stage.toUpperCase()}: where selective delays at least ${TIMES_FEWER} times fewer good mails and stops as much (within ${100 * SAME} points)\n`,
  );
  out(
    "Each cell: how many times fewer, and the points of catch that selective gives up; **bold** = inside the region.\n",
  );
  let inside = false;
  for (const poolMail of POOLS) {
    out(`\nPools: ${cell(poolMail)} % of good mail\n`);
    out(`| bots that retry | ${COVERAGE.map((c) => `lists know ${cell(c)} %`).join(" | ")} |`);
    out(`| --- |${COVERAGE.map(() => " --- |").join("")}`);
    for (const retryingBots of RETRYING) {
      const cells = COVERAGE.map((listedZombies) => {
        const options = { listedZombies, retryingBots, poolMail };
        const [all, some] = [of(options, "always"), of(options, "selective")];
        const fewer = some.delayed === 0 ? Infinity : all.delayed / some.delayed;
        const less = all.stopped - some.stopped;
        const holds = fewer >= TIMES_FEWER && less <= SAME;
        if (holds && JSON.stringify(options) === JSON.stringify(POINT)) inside = true;
        const text = `${fewer.toFixed(0)}×, ${(100 * less).toFixed(1)}`;
        return holds ? `**${text}**` : text;
      });
      out(`| ${cell(retryingBots)} % | ${cells.join(" | ")} |`);
    }
  }
  out(`\n70/5/40 is ${inside ? "inside" : "OUTSIDE"} the region.`);
  return inside;
}
