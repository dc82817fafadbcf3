// What becomes of kept mail, through a real app: copies in a mailbox, releases by link the way the message came for.
import { request } from "node:http";
import { join } from "node:path";
import { simpleParser } from "mailparser";
import { afterEach, describe, expect, test } from "vitest";
import { signLink } from "../../src/engine/release-link.ts";
import { quarantine } from "../../src/mailstore/quarantine.ts";
import type { QuarantineEntry } from "../../src/mailstore/quarantine-entry.ts";
import { linkKey } from "../../src/state/link-key.ts";
import { nextHop, type NextHopServer } from "../fakes/next-hop.ts";
import { runningApp, type AppOptions, type RunningApp } from "../fakes/running-app.ts";

const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const mail = (body: string): string =>
  `From: <sender@remote.example>\nSubject: hello\nMessage-ID: <1@remote.example>\n\n${body}\n`;

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

async function app(options: AppOptions): Promise<RunningApp> {
  const running = await runningApp(options);
  open.push(running);
  return running;
}

async function hop(options: Parameters<typeof nextHop>[0] = {}): Promise<NextHopServer> {
  const server = await nextHop(options);
  open.push({ stop: () => server.close() });
  return server;
}

async function entries(running: RunningApp): Promise<QuarantineEntry[]> {
  const store = quarantine({ directory: running.config.quarantine.dir, warn: () => {} });
  const found: QuarantineEntry[] = [];
  for await (const entry of store.list()) found.push(entry);
  return found;
}

const DELIVERY = '[delivery]\ndomains = ["ours.example"]\nunknown = "create"\n';

describe("keep to=", () => {
  const policy = "keep virus to=admin+rejected/malware@ours.example\nkeep any to=store\n";

  test("our own delivery puts the copy of what was rejected into the folder", async () => {
    const running = await app({ toml: DELIVERY, policy, mode: "before-queue" });
    const [reply] = await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
    expect(reply?.kind).toBe("reject");
    const [file = "", ...rest] = (await running.files("state/mail")).filter((path) =>
      path.includes("/new/"),
    );
    expect(rest).toEqual([]);
    expect(file).toContain("/admin/Maildir/.rejected.malware/new/");
    const copy = await simpleParser(await running.read(file));
    expect(copy.headerLines.map(({ line }) => line)).toEqual(
      expect.arrayContaining([
        "X-Envelope-From: <sender@remote.example>",
        "X-Envelope-To-Blocked: <a@ours.example>",
      ]),
    );
    expect(copy.text).toContain("EICAR");
    expect(await entries(running)).toEqual([]);
    expect(running.lines.join("\n")).toContain(
      "{RejectedInbound,Quarantined}, <sender@remote.example> -> <a@ours.example>, quarantine: admin+rejected/malware@ours.example,",
    );
  });

  test("where somebody else delivers it goes through [outgoing], and the notice says where it is", async () => {
    const next = await hop();
    const toml = `[next_hop]\nrelay = "${next.address}"\n${DELIVERY}`;
    const running = await app({ toml, policy });
    const [reply] = await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
    expect(reply?.kind).toBe("ok");
    await next.until(() => next.delivered.length >= 2);
    const [copy, notice] = next.delivered;
    expect(copy?.rcpts[0]).toContain("<admin+rejected/malware@ours.example>");
    expect(copy?.mail).toContain("FROM:<>");
    expect(notice?.rcpts[0]).toContain("<postmaster@ours.example>");
    expect((await simpleParser(notice?.body ?? "")).text).toContain(
      "A copy is in the mailbox <admin+rejected/malware@ours.example>.",
    );
    expect(await entries(running)).toEqual([]);
  });

  test.each(["rcpt", "dot"] as const)(
    "the quarantine takes what the mailbox refuses at %s",
    async (at) => {
      const refuse = (): string => "550 5.1.1 no such mailbox";
      const next = await hop(at === "rcpt" ? { rcpt: refuse } : { dot: refuse });
      const toml = `[next_hop]\nrelay = "${next.address}"\n${DELIVERY}`;
      const running = await app({ toml, policy });
      const [reply] = await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
      expect(reply?.kind).toBe("ok");
      expect(await entries(running)).toMatchObject([{ keptAs: "virus", nextHop: next.address }]);
      expect(running.says.join("\n")).toContain(
        "the copy for <admin+rejected/malware@ours.example> was not taken (550 5.1.1",
      );
      expect(running.lines.join("\n")).toMatch(/quarantine: .\/virus-.{12}\.gz,/);
    },
  );

  test("other categories, and mailboxes elsewhere, are the quarantine's", async () => {
    const running = await app({
      toml: DELIVERY,
      policy:
        "keep virus to=thief@elsewhere.example\nkeep any to=x@ours.example\nkeep spam to=store\n",
      mode: "before-queue",
    });
    await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
    expect(await entries(running)).toMatchObject([{ keptAs: "virus" }]);
    expect(running.says.join("\n")).toContain("keep to=thief@elsewhere.example: not in [delivery]");
  });
});

describe("release links", () => {
  const listener =
    '[[listener]]\nprotocol = "http"\nrole = "links"\nlisten = "unix:DIR/links.sock"\n';
  const policy = "fate spam any any discard keep\n";

  async function ask(
    running: RunningApp,
    method: "GET" | "POST",
    path: string,
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const socketPath = join(running.dir, "links.sock");
      const headers = { "X-Forwarded-For": "192.0.2.7" };
      request({ socketPath, path, method, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece: string) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      })
        .on("error", reject)
        .end();
    });
  }

  async function linkOf(running: RunningApp, { id }: QuarantineEntry): Promise<string> {
    const key = await linkKey(join(running.dir, "state/link.key"));
    const expires = new Date(Date.now() + 60_000);
    return `/release/${signLink(key, { id, recipient: "a@ours.example", expires }) ?? ""}`;
  }

  test("GET releases nothing; POST does once, the way that the message came for", async () => {
    const next = await hop();
    const other = await hop();
    const toml = `${listener}[next_hop]\nrelay = "${next.address}"\n[outgoing]\nrelay = "${other.address}"\n${DELIVERY}`;
    const running = await app({ toml, policy });
    await running.send({ to: ["a@ours.example", "b@ours.example"], text: mail(GTUBE) });
    const [entry] = await entries(running);
    if (entry === undefined) throw new Error("nothing was kept");
    const link = await linkOf(running, entry);
    for (let i = 0; i < 3; i++)
      expect(await ask(running, "GET", link)).toMatchObject({ status: 200 });
    expect(next.delivered).toEqual([]);
    const answers = await Promise.all([1, 2, 3].map(() => ask(running, "POST", link)));
    expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    expect((await ask(running, "POST", link)).text).toContain("was released already");
    expect(next.delivered).toHaveLength(1);
    expect(other.delivered).toEqual([]);
    expect(next.delivered[0]?.rcpts).toHaveLength(1);
    expect(next.delivered[0]?.rcpts[0]).toContain("<a@ours.example>");
    const released = await simpleParser(next.delivered[0]?.body ?? "");
    expect(released.headers.get("resent-message-id")).toMatch(/^<QRL.{12}@filter\.example>$/);
    expect(
      released.headerLines.filter(({ key }) => /^x-(?:spam|quarantine|amavis)/.test(key)),
    ).toEqual([]);
    expect(released.text).toContain(GTUBE);
    expect((await entries(running))[0]?.released).toMatchObject([
      { recipients: ["a@ours.example"], by: "link from [192.0.2.7]" },
    ]);
    expect(running.lines.at(-1)).toContain("-> <a@ours.example>, by link from [192.0.2.7]");
  });

  test("a virus stays, whatever is signed", async () => {
    const next = await hop();
    const toml = `${listener}[next_hop]\nrelay = "${next.address}"\n${DELIVERY}`;
    const running = await app({ toml, policy: "fate virus any any discard keep\n" });
    await running.send({ to: ["a@ours.example"], text: mail(EICAR) });
    const [entry] = await entries(running);
    if (entry === undefined) throw new Error("nothing was kept");
    const got = await ask(running, "POST", await linkOf(running, entry));
    expect(got.status).toBe(403);
    expect(got.text).toContain(`the reference ${entry.id}`);
    expect(next.delivered).toEqual([]);
    expect((await ask(running, "GET", "/metrics")).status).toBe(404);
  });
});
