// The next hop of the crash suite, a process of its own: `node recorder.ts PORT`. Writes one JSON line (a Recorded) to standard
// output for each complete message, before it answers 250; keeps nothing else. Dialogue as RFC 5321, no more than postern asks.
import { createServer, type Socket } from "node:net";
import { digestBody, type Digest, type DigestBody } from "../../bench/digest-body.ts";

export interface Recorded extends Digest {
  /** Recipients without brackets, as RCPT named them. */
  readonly to: readonly string[];
}

const EHLO = "250-recorder\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n250 SMTPUTF8\r\n";

function converse(socket: Socket): void {
  let waiting: Buffer = Buffer.alloc(0);
  let body: DigestBody | null = null;
  let to: string[] = [];

  const answer = (line: string): string => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === "EHLO") return EHLO;
    if (verb === "MAIL" || verb === "RSET") to = [];
    if (verb === "RCPT") to.push(/<([^>]*)>/.exec(line)?.[1] ?? "");
    if (verb === "QUIT") socket.end();
    if (verb !== "DATA") return "250 2.0.0 ok\r\n";
    body = digestBody();
    return "354 go on\r\n";
  };

  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece: Buffer) => {
    waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    let due = "";
    for (;;) {
      if (body !== null) {
        const done = body.take(waiting);
        waiting = done?.rest ?? Buffer.alloc(0);
        if (done === null) break;
        body = null;
        const recorded: Recorded = { ...done.digest, to };
        process.stdout.write(`${JSON.stringify(recorded)}\n`);
        due += "250 2.0.0 recorded\r\n";
      }
      const end = waiting.indexOf("\r\n");
      if (end < 0) break;
      const line = waiting.toString("latin1", 0, end);
      waiting = waiting.subarray(end + 2);
      due += answer(line);
    }
    if (due !== "" && !socket.destroyed) socket.write(due);
  });
  socket.write("220 recorder ESMTP\r\n");
}

createServer(converse).listen(Number(process.argv[2]), "127.0.0.1");
