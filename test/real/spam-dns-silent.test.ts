// A DNS server that takes questions and never answers: mail that rules would ask it about waits for [dns] budget and no longer, is scored by
// the other rules, says so, and is counted; once it answers again, nothing is left of it.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lab, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { letter, scoringHost, type ScoringHost } from "./lab/scoring-host.ts";

const BUDGET_MS = 1500;
const LETTER = "Buy at http://pills.example.net/ and http://more.example.org/ now, a heron.";

/** Answers "no such name" when it is told to answer. */
async function server(): Promise<{ socket: Socket; asked: () => number; answer(): void }> {
  const socket = createSocket("udp4");
  let [asked, answers] = [0, false];
  socket.on("message", (question, { port, address }) => {
    asked++;
    if (!answers) return;
    const reply = Buffer.from(question);
    reply[2] = 0x81;
    reply[3] = 0x83;
    // No record of any kind, not the question's EDNS either.
    reply.fill(0, 6, 12);
    const end = question.indexOf(0, 12) + 5;
    socket.send(reply.subarray(0, end), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { socket, asked: () => asked, answer: () => void (answers = true) };
}

describe.skipIf(!have("spamd"))("DNS that stays silent", () => {
  let room: Lab;
  let host: ScoringHost;
  let silence: Awaited<ReturnType<typeof server>>;

  beforeAll(async () => {
    room = await lab("dns-silent");
    silence = await server();
    host = await scoringHost(room, {
      dns: `servers = ["127.0.0.1:${silence.socket.address().port}"]\nbudget = "${BUDGET_MS}ms"\ntimeout = "500ms"`,
      more: '[spam]\nengine = "native"\n[auth]\nverify = false\n',
    });
  });
  afterAll(async () => {
    silence?.socket.close();
    await room?.cleanUp();
  });

  const questions = (result: string): Promise<number> =>
    host.count(`postern_spam_dns_questions_total{result="${result}"}`);
  const silent = async (name: string): Promise<string> => {
    const { stdout } = await host.postern.feed(
      letter(name, LETTER).toString("latin1"),
      "scan",
      "--json",
      "--client",
      "192.0.2.7",
      "-",
    );
    const { findings } = JSON.parse(stdout) as { findings: { symbol: string; detail: string }[] };
    return findings.find(({ symbol }) => symbol === "SPAM_DNS_SILENT")?.detail ?? "";
  };

  test("mail waits no longer than the budget, is scored without, told and counted", async () => {
    const { status, ms } = await host.arrived("silent-1", LETTER);
    expect(status).toMatch(/^(?:No|Yes), score=/);
    expect(ms).toBeLessThan(BUDGET_MS + 3000);
    expect(silence.asked()).toBeGreaterThan(0);
    expect(await questions("silent")).toBeGreaterThan(0);
    expect(await questions("answered")).toBe(0);
    expect(await host.logLine("silent-1")).toContain("Passed CLEAN");
    expect(await silent("silent-2")).toMatch(/^(\d+) of \1 questions to DNS had no answer$/);
  });

  test("once it answers, nothing is silent any more", async () => {
    silence.answer();
    await until("answers", async () => {
      const before = await questions("silent");
      await host.arrived(`answered-${Date.now()}`, LETTER);
      return (await questions("silent")) === before && (await questions("answered")) > 5;
    });
    expect(await silent("answered-2")).toBe("");
  });
});
