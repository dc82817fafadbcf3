// One `postern serve` that scores, between a client of the suite's and a sink, without an MTA: smtp, spamd and http listeners, rules and
// state of its own. For the suites about spam scores that need no Postfix.
import { join } from "node:path";
import { rulesCompiled } from "./engine.ts";
import { inject } from "./inject.ts";
import { until, type Lab } from "./lab.ts";
import { freePorts } from "./ports.ts";
import { postern, type Postern } from "./postern.ts";
import { sink, type Caught, type Sink } from "./sink.ts";

export interface ScoringHost {
  readonly postern: Postern;
  readonly sink: Sink;
  /** Of the spamd listener. */
  readonly spamdPort: number;
  /** Sends to user@example.com or somebody else; the reply, and how long all of it took. */
  send(data: Buffer, to?: string): Promise<{ readonly reply: string; readonly ms: number }>;
  /** Sends letter(name, body), waits until it has arrived, and gives its X-Spam fields. */
  arrived(name: string, body: string): Promise<SpamFields & { readonly ms: number }>;
  /** postern's Passed or Blocked line about lab-NAME. */
  logLine(name: string): Promise<string>;
  /** A sample as the page writes it: `postern_x_total{a="b"}`; 0 when it is not there. */
  count(sample: string): Promise<number>;
}

export interface SpamFields {
  /** Unfolded X-Spam-Status; "" when nobody scored it. */
  readonly status: string;
}

export interface ScoringHostOptions {
  /** TOML with [spam] or [spamd]; [server], listeners, [next_hop], [delivery] domains and [dns] are there. */
  readonly more: string;
  /** Below the lab's directory; "postern". */
  readonly name?: string;
  /** More lines of the [server] table. */
  readonly server?: string;
  /** The lines of the [dns] table; off. */
  readonly dns?: string;
  /** More lines of the spamd listener's table. */
  readonly spamd?: string;
  /** More lines of the [delivery] table. */
  readonly delivery?: string;
  /** The lines of the [next_hop] table; the sink. */
  readonly nextHop?: string;
  /** Its rules cannot be compiled: that is not waited for. */
  readonly unusable?: true;
}

/** An ordinary letter of today with Message-ID lab-NAME. Lines of `body` end in CRLF. */
export const letter = (name: string, body: string): Buffer =>
  Buffer.from(
    `Message-ID: <lab-${name}@sender.example>\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\nFrom: Ann Author <ann@sender.example>\r\nTo: user@example.com\r\nSubject: the minutes of lab-${name}\r\n\r\n${body}\r\n`,
    "latin1",
  );

export function spamFieldsOf({ data }: Caught): SpamFields {
  const head = (data.toString("latin1").split("\r\n\r\n")[0] ?? "").replace(/\r\n[ \t]+/g, " ");
  return { status: /^X-Spam-Status: (.*)$/m.exec(head)?.[1]?.trim() ?? "" };
}

/** Starts it and its sink; both end with the lab. */
export async function scoringHost(room: Lab, options: ScoringHostOptions): Promise<ScoringHost> {
  const { name = "postern", more, server = "", spamd = "", delivery = "" } = options;
  const { dns = 'servers = "off"' } = options;
  const end = room.add(await sink());
  const [smtpPort = 0, spamdPort = 0, httpPort = 0] = await freePorts(3);
  const { nextHop = `relay = "smtp:127.0.0.1:${end.port}"` } = options;
  const dir = join(room.dir, name);
  const toml = `[server]
hostname = "mx.example.com"
state_dir = "${dir}/state"
rules_dir = "${dir}/rules"
${server}
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${smtpPort}"
[[listener]]
protocol = "spamd"
listen = "127.0.0.1:${spamdPort}"
${spamd}
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
${nextHop}
[delivery]
domains = ["example.com"]
${delivery}
[dns]
${dns}
[greylist]
when = []
${more}
`;
  const judge = room.add(await postern({ dir: room.dir, name, file: null, more: toml }));
  const compiles = /^engine = "(?:native|both)"/m.test(more) && options.unusable !== true;
  if (compiles) await rulesCompiled(httpPort);
  const send = async (
    data: Buffer,
    to = "user@example.com",
  ): Promise<{ reply: string; ms: number }> => {
    const begun = performance.now();
    const from = "ann@sender.example";
    const { reply } = await inject({ port: smtpPort, from, to: [to], data });
    return { reply, ms: performance.now() - begun };
  };
  return {
    postern: judge,
    sink: end,
    spamdPort,
    send,
    async arrived(about, body) {
      const { reply, ms } = await send(letter(about, body));
      if (!reply.startsWith("250 ")) throw new Error(`lab-${about}: ${reply}`);
      return { ...spamFieldsOf(await end.find(`<lab-${about}@`)), ms };
    },
    logLine: (about) =>
      until(`the log line of lab-${about}`, () =>
        judge
          .log()
          .split("\n")
          .find((line) => / (Passed|Blocked) /.test(line) && line.includes(`<lab-${about}@`)),
      ),
    async count(sample) {
      const page = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
      const line = page.split("\n").find((one) => one.startsWith(`${sample} `));
      return Number(line?.slice(sample.length + 1) ?? "0");
    },
  };
}
