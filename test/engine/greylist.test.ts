// Greylisting through a real app: at the end of DATA before the queue, X-Greylist on what comes back, and people that our users
// wrote to.
import { afterEach, describe, expect, it } from "vitest";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function app(
  greylist: string,
  options: Partial<AppOptions> = {},
): Promise<{ running: RunningApp; next: NextHopServer }> {
  const next = await nextHop();
  open.push({ stop: () => next.close() });
  const running = await runningApp({
    toml: `[next_hop]\nrelay = "${next.address}"\n[delivery]\ndomains = ["ours.example"]\n[dns]\nservers = "off"\n[networks]\ninternal = ["10.0.0.0/8"]\n[redis]\ntimeout = "20s"\n[greylist]\n${greylist}\n`,
    mode: "before-queue",
    scores: "score GTUBE 5",
    ...options,
  });
  open.push(running);
  return { running, next };
}

const CLIENT = { ADDR: "192.0.2.5", NAME: "mx.remote.example", HELO: "mx.remote.example" };
const mail = (text: string, more: object = {}) => ({
  from: "a@remote.example",
  to: ["u@ours.example"],
  xforward: CLIENT,
  text: `Subject: x\nX-Greylist: delayed 9 seconds by a liar\n\n${text}\n`,
  ...more,
});

describe("greylisting at the end of DATA", () => {
  it("tells a suspicious message to come back, takes it then, and says so in X-Greylist", async () => {
    const { running, next } = await app('delay = "1s"');
    expect(await running.send(mail("plain"))).toMatchObject([{ code: 250 }]);
    const [first] = await running.send(mail(GTUBE));
    expect(first).toMatchObject({ code: 451, status: "4.7.1" });
    expect(first?.text).toContain("Greylisted, please come back in 1 seconds");
    await expect
      .poll(async () => (await running.send(mail(GTUBE)))[0]?.code, {
        timeout: 15_000,
        interval: 300,
      })
      .toBe(250);
    const bodies = next.delivered.map(({ body }) => body.toString());
    expect(bodies[0]).not.toContain("X-Greylist");
    expect(bodies.at(-1)).toMatch(
      /^X-Greylist: delayed \d+ seconds by postern at filter.example; /m,
    );
    expect(bodies.at(-1)).not.toContain("liar");
    expect(running.lines.join("\n")).toContain(
      "greylist: action=greylist, reason=new, client_name=mx.remote.example, client_address=192.0.2.5, sender=a@remote.example, recipient=u@ours.example",
    );
  });

  it("does not wait for people that our users wrote to", async () => {
    const { running } = await app('delay = "1h"\nwhen = "always"');
    const letter = {
      from: "u@ours.example",
      to: ["a@remote.example"],
      xforward: { ...CLIENT, ADDR: "10.1.2.3" },
    };
    expect(await running.send(mail("hello", letter))).toMatchObject([{ code: 250 }]);
    // Remembered after the reply, so that nobody waits for it.
    await expect
      .poll(async () => (await running.send(mail("answer")))[0]?.code, { timeout: 15_000 })
      .toBe(250);
    const stranger = mail("hi", { from: "b@remote.example" });
    expect(await running.send(stranger)).toMatchObject([{ code: 451 }]);
  });

  it.each(["[]", '["dnsxl"]'])("lets everybody pass with when = %s", async (when) => {
    const { running } = await app(`when = ${when}`);
    expect(await running.send(mail(GTUBE))).toMatchObject([{ code: 250 }]);
  });

  it("never tells anybody to come back after the queue", async () => {
    const { running } = await app('when = "always"', { mode: "after-queue" });
    expect(await running.send(mail("x"))).toMatchObject([{ code: 250 }]);
  });
});
