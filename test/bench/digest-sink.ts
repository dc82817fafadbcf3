// The next hop of the `large` bench, a process of its own: `node digest-sink.ts PORT`. Speaks as much SMTP as postern's client
// asks for, stores nothing, and writes one JSON line per message to standard output: its number, SHA-256 and size.
import { createServer, type Socket } from "node:net";
import { digestBody, type DigestBody } from "./digest-body.ts";

const OFFERS = [
  "sink.example.com",
  "PIPELINING",
  "8BITMIME",
  "SMTPUTF8",
  "SIZE",
  "DSN",
  "ENHANCEDSTATUSCODES",
];

function converse(socket: Socket): void {
  let waiting: Buffer = Buffer.alloc(0);
  let body: DigestBody | null = null;
  const say = (text: string) => void (socket.destroyed || socket.write(`${text}\r\n`));

  const command = (line: string) => {
    switch (/^[a-z]*/i.exec(line)?.[0].toUpperCase()) {
      case "EHLO":
        say(
          OFFERS.map((offer, i) => `250${i === OFFERS.length - 1 ? " " : "-"}${offer}`).join(
            "\r\n",
          ),
        );
        break;
      case "DATA":
        body = digestBody();
        say("354 go on");
        break;
      case "QUIT":
        say("221 2.0.0 bye");
        socket.end();
        break;
      default:
        say("250 2.0.0 ok");
    }
  };

  socket.on("error", () => socket.destroy());
  socket.on("data", (piece) => {
    waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    for (;;) {
      if (body !== null) {
        const done = body.take(waiting);
        waiting = done?.rest ?? Buffer.alloc(0);
        if (done === null) return;
        body = null;
        process.stdout.write(`${JSON.stringify(done.digest)}\n`);
        say("250 2.0.0 taken");
      }
      const end = waiting.indexOf("\r\n");
      if (end < 0) return;
      const line = waiting.toString("latin1", 0, end);
      waiting = waiting.subarray(end + 2);
      command(line);
    }
  });
  say("220 sink.example.com ESMTP");
}

createServer(converse).listen(Number(process.argv[2]), "127.0.0.1");
