// What looking into mail costs: messages a second through postern and amavisd-new that ask the same clamd and spamd, for a short text,
// a mail with attachments and a large zip, in interleaved rounds of one run. Only ratios within a run count.
import { contentMessages, type ContentMessage } from "./content-messages.ts";
import {
  contentAmavis,
  contentMissing,
  contentPostern,
  startServers,
  type Asked,
  type Servers,
} from "./content-peers.ts";
import { sendFile, startSink, toolsMissing } from "./postfix-tools.ts";
import type { Peer } from "./peers.ts";
import { treeCpuSeconds } from "./procfs.ts";
import { figure, median, medianRatio, table } from "./statistics.ts";
import { stage, type Stage } from "./stage.ts";

export interface ContentOptions {
  readonly rounds: number;
  /** How long one round of one peer should take. */
  readonly seconds: number;
  readonly json: boolean;
}

const SESSIONS = 4;

const SETTINGS: readonly (Asked & { readonly name: string })[] = [
  { name: "no other server", clamd: false, spamd: false },
  { name: "clamd", clamd: true, spamd: false },
  { name: "clamd and spamd", clamd: true, spamd: true },
  { name: "clamd; postern's own engine against spamd", clamd: true, spamd: true, native: true },
];

interface Row {
  readonly setting: string;
  readonly message: string;
  readonly series: readonly Series[];
}

interface Series {
  readonly name: string;
  readonly rates: number[];
  /** CPU seconds of the peer's own processes per 1,000 messages. */
  readonly cpu: number[];
}

/** Runs it and prints; returns the exit code: 2 when a program is missing. */
export async function content(options: ContentOptions): Promise<number> {
  const missing = toolsMissing() ?? contentMissing();
  if (missing !== null) {
    process.stderr.write(`content: ${missing}\n`);
    return 2;
  }
  const on = stage();
  try {
    const messages = contentMessages(on.dir);
    const sinkPort = await startSink(on);
    const servers = await startServers(on);
    const rows: Row[] = [];
    for (const setting of SETTINGS)
      rows.push(...(await measure(on, sinkPort, servers, setting, messages, options)));
    if (options.json)
      process.stdout.write(
        `${JSON.stringify({ bench: "content", sessions: SESSIONS, rows }, null, 2)}\n`,
      );
    else process.stdout.write(page(rows, options));
    return 0;
  } finally {
    await on.close();
  }
}

async function measure(
  on: Stage,
  sinkPort: number,
  servers: Servers,
  setting: (typeof SETTINGS)[number],
  messages: readonly ContentMessage[],
  { rounds, seconds }: ContentOptions,
): Promise<Row[]> {
  const peers = [
    await contentPostern(on, sinkPort, setting, servers),
    await contentAmavis(on, sinkPort, setting, servers),
  ];
  const rows: Row[] = [];
  for (const message of messages) {
    const series = peers.map(({ name }): Series => ({ name, rates: [], cpu: [] }));
    const counts = new Map<Peer, number>();
    for (const peer of peers) counts.set(peer, await count(peer, message, seconds));
    for (let round = 1; round <= rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        const many = counts.get(peer) ?? 1;
        const pid = peer.running?.pid ?? 0;
        const before = treeCpuSeconds(pid);
        const rate = many / (await send(peer, message, many));
        series[i]?.rates.push(rate);
        series[i]?.cpu.push(((treeCpuSeconds(pid) - before) / many) * 1000);
        process.stderr.write(`${setting.name}, ${message.name}: ${peer.name} ${figure(rate)}/s\n`);
      }
    }
    rows.push({ setting: setting.name, message: message.name, series });
  }
  for (const { running } of peers) await running?.stop();
  return rows;
}

const send = ({ port }: Peer, { file }: ContentMessage, messages: number): Promise<number> =>
  sendFile({ port, sessions: SESSIONS, messages, file });

/** How many messages a round has; warms the peer up by the way. */
async function count(peer: Peer, message: ContentMessage, seconds: number): Promise<number> {
  let many = SESSIONS * 2;
  for (;;) {
    const took = await send(peer, message, many);
    const wanted = Math.max(SESSIONS * 2, Math.round((many / took) * seconds));
    if (took > seconds / 4 || wanted <= many * 2) return wanted;
    many = Math.min(wanted, many * 8);
  }
}

function page(rows: readonly Row[], { rounds, seconds }: ContentOptions): string {
  const lines = rows.flatMap(({ setting, message, series }) => {
    const [postern, amavis] = series;
    if (postern === undefined || amavis === undefined) return [];
    return [
      [
        setting,
        message,
        figure(median(postern.rates)),
        figure(median(amavis.rates)),
        figure(medianRatio(postern.rates, amavis.rates)),
        figure(median(postern.cpu)),
        figure(median(amavis.cpu)),
      ],
    ];
  });
  const head = [
    "asks",
    "message",
    "postern/s",
    "amavisd-new/s",
    "times",
    "postern CPU s per 1,000",
    "amavisd-new CPU s per 1,000",
  ];
  return `\n${SESSIONS} sessions, two workers each, medians of ${rounds} interleaved rounds of about ${seconds} s:\n\n${table(head, lines)}\n`;
}
