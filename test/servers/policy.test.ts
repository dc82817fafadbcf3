// The listener with an answer that depends on the recipient; dialogues over loopback port 0 and a unix socket.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type AddressInfo, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { PolicyAction, PolicyRequest } from "../../src/mail/policy-request.ts";
import type { Listener } from "../../src/servers/listener.ts";
import { policyServer, POLICY_DEFAULTS, type PolicyOptions } from "../../src/servers/policy.ts";

const open: { listener?: Listener; sockets: Socket[]; dir?: string } = { sockets: [] };

afterEach(async () => {
  for (const socket of open.sockets.splice(0)) socket.destroy();
  await open.listener?.close(0);
  if (open.dir !== undefined) rmSync(open.dir, { recursive: true });
  delete open.dir;
});

const echo = async (request: PolicyRequest): Promise<PolicyAction> => ({
  word: "REJECT",
  text: request.get("recipient") ?? "",
});

async function listening(options: Partial<PolicyOptions> = {}, unix = false) {
  const errors: string[] = [];
  const listener = policyServer({
    ...POLICY_DEFAULTS,
    name: "policy:test",
    allow: () => true,
    answer: echo,
    onError: (error) => errors.push((error as Error).message),
    ...options,
  });
  open.listener = listener;
  let where: NetConnectOpts;
  if (unix) {
    open.dir = mkdtempSync(join(tmpdir(), "policy-"));
    where = { path: join(open.dir, "sock") };
    await listener.listen(where);
  } else {
    const { port } = (await listener.listen({ host: "127.0.0.1", port: 0 })) as AddressInfo;
    where = { host: "127.0.0.1", port };
  }
  const talk = async () => {
    const socket = connect({ ...where, allowHalfOpen: true } as NetConnectOpts);
    open.sockets.push(socket);
    let text = "";
    // once() would reject at a reset, which is a way of closing.
    const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
    socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    socket.on("end", () => socket.end());
    socket.on("error", () => {});
    await Promise.race([once(socket, "connect"), ended]);
    return {
      socket,
      ended,
      /** All that came, once `count` answers are there. */
      answers: async (count: number) => {
        while (text.split("\n\n").length - 1 < count && !socket.readableEnded)
          await Promise.race([once(socket, "data"), ended]);
        return text;
      },
    };
  };
  return { listener, errors, talk };
}

const ask = (recipient: string) =>
  `request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=${recipient}\n\n`;
const answersTo = (...recipients: string[]) =>
  recipients.map((one) => `action=REJECT ${one}\n\n`).join("");

describe.each([false, true])("over a unix socket: %s", (unix) => {
  test("many requests on a connection, one by one and pipelined, answered in order", async () => {
    const slowFirst = async (request: PolicyRequest): Promise<PolicyAction> => {
      if (request.get("recipient") === "slow") await new Promise((r) => setImmediate(r));
      return echo(request);
    };
    const { talk } = await listening({ answer: slowFirst }, unix);
    const { socket, answers } = await talk();
    socket.write(ask("slow") + ask("b") + ask("c"));
    expect(await answers(3)).toBe(answersTo("slow", "b", "c"));
    socket.write(ask("d"));
    expect(await answers(4)).toBe(answersTo("slow", "b", "c", "d"));
    const many = Array.from({ length: 1000 }, (_, i) => `r${i}`);
    socket.write(many.map(ask).join(""));
    expect(await answers(1004)).toBe(answersTo("slow", "b", "c", "d", ...many));
  });

  test("a client that half-closes gets its answer 300 ms later, then the end", async () => {
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    const { talk } = await listening({ answer: (request) => gate.then(() => echo(request)) }, unix);
    const { socket, ended } = await talk();
    socket.end(ask("late"));
    setTimeout(go, 300);
    expect(await ended).toBe(answersTo("late"));
  });

  test("what is no request closes the connection without an answer, and is told", async () => {
    const { talk, errors } = await listening({}, unix);
    const { socket, ended } = await talk();
    socket.write(`${ask("a")}GET / HTTP/1.1\n\n${ask("b")}`);
    expect(await ended).toBe(answersTo("a"));
    expect(errors).toEqual(["a client sent what is no policy request: a line is no name=value"]);
  });
});

test("a request that is cut off by the end of the client is not answered", async () => {
  const { talk } = await listening();
  const { socket, ended } = await talk();
  socket.end(ask("a").slice(0, -1));
  expect(await ended).toBe("");
});

test("an answer that fails closes the connection: the MTA's default action holds", async () => {
  const { talk, errors } = await listening({
    answer: () => Promise.reject(new Error("broken")),
  });
  const { socket, ended } = await talk();
  socket.write(ask("a"));
  expect(await ended).toBe("");
  expect(errors).toEqual(["broken"]);
});

test("peers outside allow are closed", async () => {
  const { talk, listener } = await listening({ allow: (peer) => peer !== "127.0.0.1" });
  const { ended } = await talk();
  expect(await ended).toBe("");
  expect(listener.connections).toBe(0);
});

test("more connections than allowed are closed, and one that ends makes room", async () => {
  const { talk, listener } = await listening({ maxConnections: 1 });
  const first = await talk();
  first.socket.write(ask("a"));
  await first.answers(1);
  expect(await (await talk()).ended).toBe("");
  first.socket.end();
  await first.ended;
  while (listener.connections > 0) await new Promise((r) => setImmediate(r));
  const next = await talk();
  next.socket.write(ask("b"));
  expect(await next.answers(1)).toBe(answersTo("b"));
});

test("an idle client is closed, one that waits for its answer is not", async () => {
  const { talk } = await listening({
    idleMs: 500,
    answer: (request) => new Promise((r) => setTimeout(r, 1000)).then(() => echo(request)),
  });
  const idle = await talk();
  const waiting = await talk();
  waiting.socket.write(ask("a"));
  expect(await idle.ended).toBe("");
  expect(await waiting.answers(1)).toBe(answersTo("a"));
});

test("a client that never reads is not read from without end", async () => {
  let asked = 0;
  const { talk } = await listening({
    answer: async () => {
      asked++;
      return { word: "REJECT", text: "x".repeat(390) };
    },
  });
  const { socket } = await talk();
  socket.pause();
  const chunk = ask("a").repeat(1000);
  for (let i = 0; i < 300; i++) socket.write(chunk);
  let before = -1;
  for (let still = 0; still < 10;) {
    await new Promise((r) => setTimeout(r, 10));
    still = asked === before ? still + 1 : 0;
    before = asked;
  }
  expect(asked).toBeLessThan(200_000);
});

describe("stopping", () => {
  test("idle connections end at once, what was asked is answered first", async () => {
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    let begun: () => void = () => {};
    const started = new Promise<void>((resolve) => (begun = resolve));
    const { talk, listener } = await listening({
      answer: (request) => (begun(), gate.then(() => echo(request))),
    });
    const idle = await talk();
    const busy = await talk();
    busy.socket.write(ask("a"));
    await started;
    const closed = listener.close(10_000);
    expect(await idle.ended).toBe("");
    go();
    expect(await busy.ended).toBe(answersTo("a"));
    await closed;
    expect(listener.connections).toBe(0);
  });

  test("after the grace the rest is cut off", async () => {
    const { talk, listener } = await listening({ answer: () => new Promise(() => {}) });
    const { socket, ended } = await talk();
    socket.write(ask("a"));
    await new Promise((r) => setTimeout(r, 10));
    await listener.close(20);
    expect(await ended).toBe("");
  });
});
