// Who may speak to postern: a peer outside `allow` gets nowhere on any listener, whatever it says; and a listener that strangers
// could reach does not start without `allow`. The stranger is 127.0.0.2. Needs no other server.
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inject } from "./lab/inject.ts";
import { lab, until, type Lab } from "./lab/lab.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";

const STRANGER = "127.0.0.2";
const DATA = Buffer.from("Message-ID: <lab-allow@x>\r\nSubject: allow\r\n\r\nhello\r\n");

let room: Lab;
let filter: Postern;
const ports = new Map<string, number>();

const listener = (protocol: string, port: number, more = ""): string =>
  `[[listener]]\nprotocol = "${protocol}"\nlisten = "127.0.0.1:${port}"\nallow = ["127.0.0.1/32"]\n${more}`;
const REST = `[server]\nhostname = "mx.ours.example"\nstate_dir = "state"
[delivery]\ndomains = ["ours.example"]\nunknown = "create"\n`;

beforeAll(async () => {
  room = await lab("allow");
  const [smtp = 0, lmtp = 0, delivery = 0, http = 0] = await freePorts(4);
  ports.set("smtp filter", smtp).set("lmtp filter", lmtp).set("lmtp delivery", delivery);
  ports.set("http", http);
  const listeners = [
    listener("smtp", smtp),
    listener("lmtp", lmtp),
    listener("lmtp", delivery, 'role = "delivery"\n'),
    listener("http", http),
  ];
  filter = room.add(await postern({ dir: room.dir, file: null, more: listeners.join("") + REST }));
});
afterAll(() => room?.cleanUp());

/** Everything that a listener says to somebody who says all of `text` at once; ends when it closes. */
function say(name: string, localAddress: string, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port: ports.get(name) ?? 0, localAddress });
  return new Promise((resolve, reject) => {
    let said = "";
    // A close while we still write is a reset; what was said before counts.
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
    socket.on("data", (piece) => (said += piece.toString("latin1")));
    socket.on("close", () => resolve(said));
    socket.write(text);
  });
}

const dialogue = (hello: string): string =>
  `${hello} x\r\nXFORWARD ADDR=192.0.2.66 NAME=trusted\r\nMAIL FROM:<a@sender.example>\r\n` +
  `RCPT TO:<u@ours.example>\r\nDATA\r\n${DATA.toString()}.\r\nQUIT\r\n`;

describe("a peer outside allow", () => {
  test.each(["smtp filter", "lmtp filter", "lmtp delivery"])(
    "is told 554 by the %s listener, and nothing it sends is heard",
    async (name) => {
      const said = await say(name, STRANGER, dialogue(name.startsWith("smtp") ? "EHLO" : "LHLO"));
      expect(said).toMatch(/^554 5\.7\.1 [^\r\n]*\r\n$/);
      expect(filter.log()).not.toContain("192.0.2.66");
    },
  );

  test("reads nothing from the http listener", async () => {
    const ask = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    expect(await say("http", STRANGER, ask)).toBe("");
    expect(await say("http", "127.0.0.1", ask)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("is counted, and shuts nobody else out", async () => {
    const response = await fetch(`http://127.0.0.1:${ports.get("http") ?? 0}/metrics`);
    expect(await response.text()).toMatch(
      /^postern_sessions_total\{listener="smtp:[\d.:]+",result="refused"\} 1$/m,
    );
  });
});

test.each(["smtp filter", "lmtp filter", "lmtp delivery"])(
  "a peer in allow is heard by the %s listener",
  async (name) => {
    const sent = await inject({
      port: ports.get(name) ?? 0,
      from: "a@sender.example",
      to: ["u@ours.example"],
      data: DATA,
      lmtp: name.startsWith("lmtp"),
      xforward: { ADDR: "192.0.2.7", NAME: "mx.sender.example" },
    });
    expect(sent.reply).toMatch(/^250 /);
    // The filter's line names the client that the allowed peer forwards.
    if (name === "smtp filter") {
      const line = await until("the log line", () =>
        filter
          .stdout()
          .split("\n")
          .find((one) => one.includes("<lab-allow@x>")),
      );
      expect(line).toContain("[192.0.2.7]");
    }
  },
);

test.each(["smtp", "lmtp", "http"])(
  "a %s listener on an address that is not loopback does not start without allow",
  async (protocol) => {
    const [port = 0] = await freePorts(1);
    const open = `[[listener]]\nprotocol = "${protocol}"\nlisten = "0.0.0.0:${port}"\n`;
    const starting = postern({
      dir: room.dir,
      name: `open-${protocol}`,
      file: null,
      more: open + REST,
    });
    await expect(starting).rejects.toThrow(
      /ended \(2\)[\s\S]*postern\.toml:\d+: listener\.listen: 0\.0\.0\.0:\d+ is not loopback, so it needs allow/,
    );
  },
);
