// What is inside archives decides about a message, through a real app; a message with nothing inside costs no thread.
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { mailWith } from "../content/boxes.ts";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type RunningApp } from "../fakes/running-app.ts";

const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function app(limits = ""): Promise<{ running: RunningApp; next: NextHopServer }> {
  const next = await nextHop();
  open.push({ stop: () => next.close() });
  const running = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[limits]\n${limits}\n`,
    mode: "before-queue",
  });
  open.push(running);
  return { running, next };
}

const mail = (message: Buffer) => ({
  from: "a@remote.example",
  to: ["u@ours.example"],
  text: `From: a@remote.example\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n${message.toString("latin1")}`,
});
const attached = (name: string, octets: Buffer) => mail(mailWith({ name, octets }));

/** How the jobs ended. */
async function jobs({ metrics }: RunningApp): Promise<Record<string, number>> {
  const { values } = await metrics.threadJobs.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.result, value]));
}

describe("a message", () => {
  it("without containers makes no job", async () => {
    const { running } = await app();
    expect(await running.send(mail(Buffer.from("Subject: x\r\n\r\nhello\r\n")))).toMatchObject([
      { code: 250 },
    ]);
    expect(
      await running.send(attached("a.png", Buffer.from("89504e470d0a1a0a00ff", "hex"))),
    ).toMatchObject([{ code: 250 }]);
    expect(await jobs(running)).toEqual({});
  });

  it.each([
    ["in memory", Buffer.alloc(0)],
    ["in a file", randomBytes(400_000)],
  ])("%s is refused for what its archive holds", async (_, ballast) => {
    const { running, next } = await app();
    const [virus] = await running.send(
      attached("a.gz", gzipSync(gzipSync(Buffer.concat([Buffer.from(`${EICAR}\r\n`), ballast])))),
    );
    expect(virus).toMatchObject({ code: 554 });
    expect(running.lines.at(-1)).toContain("Blocked INFECTED");
    const [banned] = await running.send(
      attached("a.gz", gzipSync(Buffer.concat([Buffer.from("MZ\0"), ballast]))),
    );
    expect(banned).toMatchObject({ code: 554 });
    expect(running.lines.at(-1)).toContain("Blocked BANNED");
    const [named] = await running.send(
      attached("invoice.pdf.exe.gz", gzipSync(Buffer.concat([Buffer.from("text"), ballast]))),
    );
    expect(named).toMatchObject({ code: 554 });
    expect(next.delivered).toEqual([]);
    expect(await jobs(running)).toEqual({ done: 3 });
    expect(await running.files("state/spool")).toEqual([]);
  });

  it("that could not be looked into is passed on and says so", async () => {
    const { running, next } = await app("archive_members = 1");
    const bomb = mailWith(
      { name: "a.gz", octets: gzipSync("one") },
      { name: "b.gz", octets: gzipSync("two") },
    );
    expect(await running.send(mail(bomb))).toMatchObject([{ code: 250 }]);
    expect(running.lines.at(-1)).toContain("Passed UNCHECKED");
    expect(next.delivered).toHaveLength(1);
  });
});
