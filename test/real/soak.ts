// Mixed load for a long time, and what it does to postern's memory: letters of all sizes, spam, viruses and banned names over SMTP and
// LMTP, to a next hop and to Maildirs, and policy questions, with real clamd, spamd and Redis. As root: `npm run soak -- --minutes 60`.
import { connect } from "node:net";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { processTree, residentOf } from "../bench/procfs.ts";
import { estate, type Estate } from "./faults/estate.ts";
import { pause } from "./faults/fault.ts";
import { mixedMail, type Sent } from "./faults/mixed-mail.ts";
import { ledger } from "./lab/ledger.ts";
import { freePort } from "./lab/ports.ts";

export interface Soak {
  readonly seconds: number;
  /** Messages a second, over all roads. */
  readonly rate: number;
  /** Parts of the time whose means are compared: from and to, as fractions. */
  readonly early: readonly [number, number];
  readonly late: readonly [number, number];
  readonly tell: (text: string) => void;
}

export interface Soaked {
  readonly messages: number;
  readonly questions: number;
  readonly unacknowledged: number;
  /** Mean resident memory of all of postern's processes in either part, MB. */
  readonly earlyMB: number;
  readonly lateMB: number;
  /** What one minute looked like after the other, MB. */
  readonly minutes: readonly number[];
}

const MB = 1e6;

export async function soak(how: Soak): Promise<Soaked> {
  const policy = await freePort();
  const place = await estate(`[[listener]]\nprotocol = "policy"\nlisten = "127.0.0.1:${policy}"\n`);
  try {
    const book = new Map<number, Sent>();
    const another = mixedMail(book);
    const post = ledger({ silenceMs: 45_000 });
    const begun = performance.now();
    const giveUp = new AbortController();
    const over = () => performance.now() - begun >= how.seconds * 1000;
    const paceMs = (1000 * place.roads.length) / how.rate;
    const carriers = place.roads.map((road) =>
      post.carry(
        road,
        () => (over() ? null : another(road, "")),
        () => paceMs,
        giveUp.signal,
      ),
    );
    const asked = questions(policy, paceMs, over);
    const samples = await watch(place, begun, how);
    const timer = setTimeout(() => giveUp.abort(), 60_000);
    await Promise.all(carriers);
    clearTimeout(timer);
    const open = [...book].filter(
      ([id, { to }]) => (post.entries.get(id)?.acknowledged.size ?? 0) < to.length,
    );
    return {
      messages: book.size,
      questions: await asked,
      unacknowledged: open.length,
      earlyMB: meanOf(samples, how.early, how.seconds),
      lateMB: meanOf(samples, how.late, how.seconds),
      minutes: byMinute(samples),
    };
  } finally {
    await place.lab.cleanUp();
  }
}

interface Sample {
  readonly second: number;
  readonly mb: number;
}

/** Looks at the memory until the time is over. */
async function watch(
  { filter }: Estate,
  begun: number,
  { seconds, tell }: Soak,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  let told = 0;
  for (let second = 0; second < seconds;) {
    await pause(Math.min(2000, 1000 * (seconds - second)));
    second = (performance.now() - begun) / 1000;
    const mb = residentOf(processTree(filter.pid()).map(({ pid }) => pid)) / MB;
    samples.push({ second, mb });
    if (second - told < 60) continue;
    told = second;
    tell(`minute ${Math.round(second / 60)}: ${mb.toFixed(0)} MB`);
  }
  return samples;
}

function meanOf(samples: readonly Sample[], [from, to]: readonly [number, number], all: number) {
  const part = samples.filter(({ second }) => second >= from * all && second < to * all + 3);
  return part.reduce((sum, { mb }) => sum + mb, 0) / part.length;
}

function byMinute(samples: readonly Sample[]): number[] {
  const minutes = Math.ceil((samples.at(-1)?.second ?? 0) / 60);
  return Array.from({ length: minutes }, (_, minute) =>
    Math.round(meanOf(samples, [minute / minutes, (minute + 1) / minutes], minutes * 60)),
  );
}

/** Asks the policy service one question after the other, each about another triplet; resolves with how many were answered. */
async function questions(port: number, paceMs: number, over: () => boolean): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  // once() below rejects when the connection breaks; between two questions nobody else would hear of it.
  const broken: Error[] = [];
  socket.on("error", (error) => broken.push(error));
  await once(socket, "connect");
  let answered = 0;
  while (!over()) {
    if (broken[0] !== undefined) throw broken[0];
    const id = answered % 50_000;
    socket.write(
      `request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=198.51.${id >> 8}.${id & 255}\nclient_name=unknown\nhelo_name=h\nsender=s${id}@far.example\nrecipient=u1@ours.example\ninstance=${id}\n\n`,
    );
    await once(socket, "data");
    answered++;
    await pause(paceMs);
  }
  socket.destroy();
  return answered;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "60" },
      rate: { type: "string", default: "20" },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes >= 1)) throw new Error(`--minutes: "${values.minutes}" is no number from 1 on`);
  const found = await soak({
    seconds: minutes * 60,
    rate: Number(values.rate),
    early: [1 / 6, 1 / 3],
    late: [5 / 6, 1],
    tell: (text) => void process.stderr.write(`${text}\n`),
  });
  const change = 100 * (found.lateMB / found.earlyMB - 1);
  console.log(`MB by minute: ${found.minutes.join(" ")}`);
  console.log(
    `${found.messages} messages, ${found.unacknowledged} not acknowledged, ${found.questions} policy questions; ` +
      `resident memory ${found.earlyMB.toFixed(0)} MB in the second sixth, ${found.lateMB.toFixed(0)} MB in the last: ${change >= 0 ? "+" : ""}${change.toFixed(1)} %`,
  );
  process.exitCode = found.unacknowledged === 0 && Math.abs(change) <= 5 ? 0 : 1;
}
