// A sender that takes the time of each message, in a process of its own: `sessions` connections that stay, each sends one message after
// the other (MAIL, RCPT, DATA, text; no pipelining, as smtp-source) until the time is over. Started by timedLoad().
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

export interface TimedLoad {
  readonly port: number;
  readonly sessions: number;
  readonly seconds: number;
  /** Octets of body of each message. */
  readonly size: number;
  /** No message is sent before all connections have been greeted; a peer that serves a few at a time would keep all waiting. */
  readonly together?: boolean;
}

export interface Timed {
  readonly messages: number;
  /** Connections that were greeted with 220, before the first message was sent. */
  readonly greeted: number;
  /** Replies that were not the wanted ones, and connections that ended early. */
  readonly failures: number;
  readonly firstFailure: string;
  readonly rate: number;
  /** Milliseconds from MAIL to the answer to the final dot. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Sends; never rejects for what the server says: failures are counted. */
export async function timedLoad(load: TimedLoad): Promise<Timed> {
  const child = fork(import.meta.filename, [JSON.stringify(load)], { stdio: "inherit" });
  const stop = () => void child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    const [timed] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the sender ended without a word"))),
    ])) as [Timed];
    return timed;
  } finally {
    process.off("exit", stop);
    child.kill();
  }
}

interface State {
  readonly load: TimedLoad;
  readonly script: readonly { readonly say: Buffer; readonly want: string }[];
  readonly times: number[];
  greeted: number;
  failures: number;
  firstFailure: string;
  /** performance.now() at which no further message begins; set once all are greeted. */
  end: number;
}

const MESSAGE_STEPS = 4;

function scriptOf(size: number): State["script"] {
  const line = `${"x".repeat(70)}\r\n`;
  const head = [
    ...["From: <sender@example.net>", "To: <recipient@example.com>"],
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    ...["Message-ID: <bench@example.net>", "Subject: bench"],
  ];
  const body = line.repeat(Math.ceil(size / line.length));
  const text = `${head.join("\r\n")}\r\n\r\n${body}.\r\n`;
  return [
    ["MAIL FROM:<sender@example.net>\r\n", "250"],
    ["RCPT TO:<recipient@example.com>\r\n", "250"],
    ["DATA\r\n", "354"],
    [text, "250"],
  ].map(([say = "", want = ""]) => ({ say: Buffer.from(say), want }));
}

/** One connection; resolves when it is over. `greeted` is told once. */
function session(state: State, greeted: () => void): { start(): void; over: Promise<void> } {
  const socket = connect({ port: state.load.port, host: "127.0.0.1", noDelay: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  let [step, begun, done, text] = [-2, 0, false, ""];
  const fail = (why: string): void => {
    if (done) return;
    state.failures++;
    state.firstFailure ||= why;
    socket.destroy();
  };
  const next = (): void => {
    if (done || socket.destroyed) return;
    if (step === 0) {
      if (performance.now() >= state.end) {
        done = true;
        socket.end("QUIT\r\n");
        return;
      }
      begun = performance.now();
    }
    socket.write(state.script[step]!.say);
  };
  const reply = (line: string): void => {
    if (line[3] === "-") return;
    const want = step === -2 ? "220" : step === -1 ? "250" : state.script[step]!.want;
    if (!line.startsWith(want)) return fail(line);
    if (step === -2) {
      step = -1;
      socket.write("EHLO client.example.net\r\n");
    } else if (step === -1) {
      step = 0;
      state.greeted++;
      greeted();
    } else {
      step++;
      if (step === MESSAGE_STEPS) {
        state.times.push(performance.now() - begun);
        step = 0;
      }
      next();
    }
  };
  socket.on("data", (chunk) => {
    const lines = (text + chunk.toString("latin1")).split("\r\n");
    text = lines.pop() ?? "";
    for (const line of lines) if (!done) reply(line);
  });
  socket.on("error", (error) => fail(error.message));
  socket.on("close", () => {
    fail("closed early");
    greeted();
    resolve();
  });
  return { start: next, over: promise };
}

async function main(load: TimedLoad): Promise<Timed> {
  const state: State = {
    ...{ load, script: scriptOf(load.size), times: [] },
    ...{ greeted: 0, failures: 0, firstFailure: "", end: Infinity },
  };
  const { together = false, seconds } = load;
  let waiting = load.sessions;
  const all = Promise.withResolvers<void>();
  const open = (): { start(): void; over: Promise<void> } => {
    let told = false;
    const one = session(state, () => {
      if (told) return;
      told = true;
      if (--waiting === 0) all.resolve();
      if (!together) one.start();
    });
    return one;
  };
  let begun = performance.now();
  if (!together) state.end = begun + seconds * 1000;
  const sessions = Array.from({ length: load.sessions }, open);
  if (together) {
    await all.promise;
    begun = performance.now();
    state.end = begun + seconds * 1000;
    for (const one of sessions) one.start();
  }
  await Promise.all(sessions.map(({ over }) => over));
  const took = (performance.now() - begun) / 1000;
  const times = state.times.sort((a, b) => a - b);
  const at = (part: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? NaN;
  const { greeted, failures, firstFailure } = state;
  return {
    ...{ messages: times.length, greeted, failures, firstFailure },
    ...{ rate: times.length / took, p50: at(0.5), p99: at(0.99), max: at(1) },
  };
}

if (process.send !== undefined && import.meta.filename === process.argv[1]) {
  const timed = await main(JSON.parse(process.argv[2] ?? "{}") as TimedLoad);
  process.send(timed, () => process.exit(0));
}
