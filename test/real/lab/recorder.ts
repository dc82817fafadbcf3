// The next hop of the crash suites, a process of its own: `node recorder.ts PORT`. Writes one JSON line (a Recorded) to standard
// output for each complete message, before it answers 250, and a Said once the answer is out; keeps nothing else. A word (a
// Manner) on a line of standard input makes it misbehave. Dialogue as RFC 5321 and 2033, no more than postern asks.
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { digestBody, type Digest, type DigestBody } from "../../bench/digest-body.ts";

export interface Recorded extends Digest {
  /** Counts the messages of one process. */
  readonly seq: number;
  /** Recipients without brackets, as RCPT named them. */
  readonly to: readonly string[];
}

/** The answer to this message has been handed to the system. */
export interface Said {
  readonly said: number;
}

/**
 * `mute` accepts connections and says nothing; `hang` takes the message and answers after HANG_MS; `garbage` answers the dot with
 * nonsense; `close` closes after the dot; `cut` closes in the middle of DATA; `stall` stops reading there and closes after HANG_MS.
 */
export type Manner = "well" | "mute" | "hang" | "garbage" | "close" | "cut" | "stall";

export const HANG_MS = 6000;

const MANNERS: readonly string[] = ["well", "mute", "hang", "garbage", "close", "cut", "stall"];
const EHLO = "250-recorder\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n250 SMTPUTF8\r\n";
let manner: Manner = "well";
let count = 0;

/** Takes a complete message down; the manner decides what is answered. */
function finish(socket: Socket, digest: Digest, to: readonly string[], lmtp: boolean): void {
  const seq = count++;
  const recorded: Recorded = { ...digest, seq, to };
  process.stdout.write(`${JSON.stringify(recorded)}\n`);
  const answer = "250 2.0.0 recorded\r\n".repeat(lmtp ? to.length : 1);
  const say = () => {
    if (socket.destroyed) return;
    socket.write(answer, () => process.stdout.write(`${JSON.stringify({ said: seq })}\n`));
  };
  if (manner === "close") socket.destroy();
  else if (manner === "garbage") socket.end("\x01\x02 what? \xff\r\n", "latin1");
  else if (manner === "hang") setTimeout(say, HANG_MS);
  else say();
}

function converse(socket: Socket): void {
  let waiting: Buffer = Buffer.alloc(0);
  let body: DigestBody | null = null;
  let to: string[] = [];
  let lmtp = false;

  const answer = (line: string): string => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === "LHLO") lmtp = true;
    if (verb === "EHLO" || verb === "LHLO") return EHLO;
    if (verb === "MAIL" || verb === "RSET") to = [];
    if (verb === "RCPT") to.push(/<([^>]*)>/.exec(line)?.[1] ?? "");
    if (verb === "QUIT") socket.end();
    if (verb !== "DATA") return "250 2.0.0 ok\r\n";
    body = digestBody();
    return "354 go on\r\n";
  };

  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  if (manner === "mute") return;
  socket.on("data", (piece: Buffer) => {
    if (body !== null && manner === "cut") return void socket.destroy();
    if (body !== null && manner === "stall") {
      setTimeout(() => socket.destroy(), HANG_MS);
      return void socket.pause();
    }
    waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    for (;;) {
      if (body !== null) {
        const done = body.take(waiting);
        waiting = done?.rest ?? Buffer.alloc(0);
        if (done === null) break;
        body = null;
        finish(socket, done.digest, to, lmtp);
      }
      const end = waiting.indexOf("\r\n");
      if (end < 0) break;
      const line = waiting.toString("latin1", 0, end);
      waiting = waiting.subarray(end + 2);
      const due = answer(line);
      if (!socket.destroyed) socket.write(due);
    }
  });
  socket.write("220 recorder ESMTP\r\n");
}

if (import.meta.main) {
  createServer(converse).listen(Number(process.argv[2]), "127.0.0.1");
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (MANNERS.includes(line)) manner = line as Manner;
  });
}
