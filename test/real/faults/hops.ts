// A next hop that misbehaves in every phase, and clients that do. Used by all-faults.ts.
import { connect, type Socket } from "node:net";
import { HANG_MS, type Manner } from "../lab/recorder.ts";
import { IN_FLIGHT, type Estate } from "./estate.ts";
import { atRandom, between, DEADLINE_OF_TRY_MS, pause, type Fault } from "./fault.ts";

function hop(name: string, manner: Manner, deadlineMs = DEADLINE_OF_TRY_MS): Fault {
  const strike = async ({ hop: it }: Estate): Promise<void> => {
    it.manner(manner);
    await pause(between(500, 2500));
    it.manner("well");
  };
  return atRandom(`next hop ${name}`, [100, 600], strike, deadlineMs);
}

export const HOPS: readonly Fault[] = [
  hop("accepts connections and is mute", "mute"),
  // Behind our dot only its answer counts, whatever the budget says.
  hop(`answers the dot ${HANG_MS / 1000} s late`, "hang", DEADLINE_OF_TRY_MS + HANG_MS),
  hop("answers the dot with garbage", "garbage"),
  hop("closes after the dot", "close"),
  hop("closes in the middle of DATA", "cut"),
  // A short message lies in the system's buffers with its dot by then.
  hop("stops reading in DATA", "stall", DEADLINE_OF_TRY_MS + HANG_MS),
];

/** Keeps clients of one kind connected to every road while mail flows. */
function clients(name: string, each: number, begin: (port: number) => Socket): Fault {
  return {
    name,
    async strike({ roads }, flowing) {
      const open = new Set<Socket>();
      const crowd = (): void => {
        for (const { port } of roads) {
          const socket = begin(port);
          open.add(socket);
          socket.on("error", () => socket.destroy());
          socket.on("close", () => open.delete(socket));
        }
      };
      for (let i = 0; i < each; i++) crowd();
      while (flowing()) {
        await pause(200);
        if (open.size < each * roads.length) crowd();
      }
      for (const socket of open) socket.destroy();
    },
  };
}

/** Says the lines as the replies come, then does `then`. */
function dialogue(port: number, lines: readonly string[], then: (socket: Socket) => void): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let next = 0;
  socket.on("data", () => {
    const line = lines[next++];
    if (line !== undefined) socket.write(`${line}\r\n`);
    else if (next === lines.length + 1) then(socket);
  });
  return socket;
}

const LETTER = [
  "LHLO slow.example",
  "MAIL FROM:<slow@sender.example>",
  "RCPT TO:<u1@ours.example>",
];

function drip(socket: Socket): void {
  const timer = setInterval(() => socket.write("x"), 300);
  socket.on("close", () => clearInterval(timer));
}

/** So many on each of five roads leave more than half of a worker's places free, however the kernel deals them out. */
const SLOW = Math.floor(IN_FLIGHT / 12);

export const CLIENTS: readonly Fault[] = [
  clients("clients that say nothing after the greeting", 40, (port) =>
    dialogue(port, [], () => {}),
  ),
  clients("clients that drip a command", 40, (port) => dialogue(port, [], drip)),
  clients("clients that drip the body", SLOW, (port) => dialogue(port, [...LETTER, "DATA"], drip)),
  clients("clients half closed in the middle of DATA", SLOW, (port) =>
    dialogue(port, [...LETTER, "DATA"], (socket) => void socket.end("Subject: half\r\n\r\nhalf")),
  ),
  clients("clients that vanish in the middle of DATA", 8, (port) =>
    dialogue(port, [...LETTER, "DATA"], (socket) => {
      socket.write("Subject: gone\r\n\r\nhalf");
      setTimeout(() => socket.resetAndDestroy(), 50);
    }),
  ),
];
