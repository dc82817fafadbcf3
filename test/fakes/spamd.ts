// A spamd for tests: in this process, on a unix socket or port 0. It reads requests as spamd does (headers spelt exactly, as many
// octets as Content-length says), scores what a test says, and can refuse, hang, close or talk nonsense.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SpamdRequest {
  readonly command: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Latin-1. */
  readonly message: string;
}

/** Goes without a word. */
export const CLOSE = { close: true } as const;

/** Octets to answer with; null: nothing at all, the connection stays. */
export type SpamdAnswer = string | null | typeof CLOSE;

export interface FakeSpamd {
  /** As [spamd] endpoints writes it. */
  readonly name: string;
  readonly requests: SpamdRequest[];
  /** Connections now. */
  readonly open: { now: number };
  /** What REPORT is answered; may take its time. Default: `reportOf` what the message holds. */
  answer: (request: SpamdRequest) => SpamdAnswer | Promise<SpamdAnswer>;
  /** What PING is answered. */
  ping: () => SpamdAnswer;
  /** Called for each new connection; true: it is not read from. */
  deaf: () => boolean;
  stop(): Promise<void>;
}

export interface Rule {
  readonly name: string;
  readonly score: number;
  readonly about?: string;
}

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** The reply to REPORT with this body, as spamd of protocol 1.5 frames it. */
export function framed(body: string, spam = "False ; 0.0 / 5.0"): string {
  return `SPAMD/1.1 0 EX_OK\r\nContent-length: ${Buffer.byteLength(body, "latin1")}\r\nSpam: ${spam}\r\n\r\n${body}`;
}

/** A stock report in its frame: scores to a tenth; `exact` adds the line of deploy/spamassassin/postern.cf. */
export function reportOf(
  rules: readonly Rule[],
  options: { readonly preview?: string; readonly exact?: boolean } = {},
): string {
  const total = rules.reduce((sum, { score }) => sum + score, 0);
  const rows = rules.map(({ name, score, about = "BODY: something" }) => {
    const points = Math.abs(score) >= 10 ? score.toFixed(0) : score.toFixed(1);
    return `${points.padStart(4)} ${name.padEnd(22)} ${about}\n`;
  });
  const pairs = [...rules]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((r) => `${r.name}=${r.score}`);
  const exact = `tests=[${pairs.join(",") || "none"}] autolearn=no autolearn_force=no\n`;
  const body = `Spam detection software, running on the system "fake",
has NOT identified this incoming email as spam.

Content preview:  ${options.preview ?? "hello"}

Content analysis details:   (${total.toFixed(1)} points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
${rows.join("")}
${options.exact === true ? exact : ""}
`;
  return framed(body, `${total >= 5 ? "True" : "False"} ; ${total.toFixed(1)} / 5.0`);
}

/** Starts one; `where` "tcp" takes a free port of 127.0.0.1. */
export async function fakeSpamd(where: "unix" | "tcp" = "unix"): Promise<FakeSpamd> {
  const dir = await mkdtemp(join(tmpdir(), "postern-spamd-"));
  const sockets = new Set<Socket>();
  const requests: SpamdRequest[] = [];
  const open = { now: 0 };
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    open.now++;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket) && open.now--);
    if (!fake.deaf()) converse(socket, fake, (request) => requests.push(request));
  });
  server.listen(where === "unix" ? { path: join(dir, "sock") } : { port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const fake: FakeSpamd = {
    name:
      where === "unix"
        ? `unix:${join(dir, "sock")}`
        : `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    open,
    answer: ({ message }) =>
      reportOf([
        ...(message.includes(GTUBE) ? [{ name: "GTUBE", score: 1000 }] : []),
        { name: "MSGID_SHORT", score: 0.001 },
      ]),
    ping: () => "SPAMD/1.5 0 PONG\r\n",
    deaf: () => false,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return fake;
}

function converse(socket: Socket, fake: FakeSpamd, keep: (request: SpamdRequest) => void): void {
  let text = "";
  let answered = false;
  const say = (answer: SpamdAnswer): void => {
    if (typeof answer === "string") socket.end(answer, "latin1");
    else if (answer !== null) socket.destroy();
  };
  const look = (ended: boolean): void => {
    const end = text.indexOf("\r\n\r\n");
    if (answered || end < 0) return;
    const [first = "", ...lines] = text.slice(0, end).split("\r\n");
    const command = /(PING|REPORT) SPAMC\/1\.5$/.exec(first)?.[1] ?? "";
    const headers = new Map(
      lines.map((line) => [line.split(": ")[0] ?? "", line.slice(line.indexOf(": ") + 2)]),
    );
    const length = headers.get("Content-length");
    const message = text.slice(end + 4);
    if (command === "REPORT" && !ended && (length === undefined || message.length < Number(length)))
      return;
    answered = true;
    if (command === "PING") return say(fake.ping());
    const request = { command, headers, message };
    keep(request);
    if (command === "") return say(`SPAMD/1.0 76 Bad header line: ${first}\r\n`);
    if (message.length !== Number(length))
      return say(`SPAMD/1.0 76 Bad header line: (Content-Length mismatch)\r\n`);
    void Promise.resolve(fake.answer(request)).then(say);
  };
  socket.on("data", (piece: Buffer) => {
    text += piece.toString("latin1");
    look(false);
  });
  socket.on("end", () => look(true));
}
