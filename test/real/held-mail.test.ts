// The life of a held message behind a real Postfix: it is kept, the daily digest tells of it once although two workers run, looking at
// the link releases nothing, its button releases it once, over the way back that it came for; what holds a virus stays.
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { simpleParser, type ParsedMail } from "mailparser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployed, until } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePort } from "./lab/ports.ts";
import { GTUBE_SAMPLE, SAMPLES } from "./lab/samples.ts";
import { HOOKUPS, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const USER = "user@example.com";
const WAYS = HOOKUPS.filter(
  ({ mta, hookup, via }) => mta === "postfix" && hookup === "after-queue" && via === "smtp",
);

describe.skipIf(!have("root", "users", "postfix"))("held mail", () => {
  let world: PosternWorld;
  let base: string;

  beforeAll(async () => {
    const port = await freePort();
    base = `http://127.0.0.1:${port}/held`;
    const [way] = WAYS;
    if (way === undefined) throw new Error("no way");
    world = await worldWithPostern(way, {
      more: `[greylist]\nwhen = []\n${await deployed("held-mail.toml", {
        "127.0.0.1:10091": `127.0.0.1:${port}`,
        "https://mail.example.com/held": base,
      })}`,
      rules: {
        "policy.rules": `fate spam any inbound discard keep
fate virus any inbound discard keep
keep banned to=admin+rejected/files@example.com
`,
      },
    });
    const { postern } = world;
    await postern.stop();
    // A whole minute, far enough off that the mail of this suite comes before it.
    const at = new Date(Date.now() + 90_000);
    const two = (part: number): string => String(part).padStart(2, "0");
    const toml = await readFile(postern.configFile, "utf8");
    expect(toml).toContain("07:00");
    await writeFile(
      postern.configFile,
      toml
        .replace("[server]\n", "[server]\nworkers = 2\n")
        .replace("07:00", `${two(at.getHours())}:${two(at.getMinutes())}`),
    );
    await postern.start();
  });
  afterAll(() => world?.lab.cleanUp());

  const kept = async (...filter: string[]): Promise<{ id: string; released: unknown[] }[]> => {
    const { code, stdout } = await world.postern.command("quarantine", "list", "--json", ...filter);
    expect(code).toBe(0);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { id: string; released: unknown[] });
  };
  const digests = (to: string) =>
    world.sink.caught.filter(
      ({ to: recipients, data }) => recipients.includes(to) && data.includes("<DIGEST"),
    );
  const linkOf = ({ text = "" }: ParsedMail): string =>
    /^ *release: +(http:\/\/\S+)$/m.exec(text)?.[1] ?? "";

  test("spam and a virus are kept, and can be found", async () => {
    const virus = SAMPLES.find(({ expect: what }) => what === "virus");
    if (virus === undefined) throw new Error("no virus");
    for (const raw of [GTUBE_SAMPLE.raw, virus.raw])
      expect((await world.send(raw, [USER])).reply).toMatch(/^250 /);
    await until("two kept messages", async () => (await kept()).length === 2);
    await world.settled();
    expect(world.sink.caught).toEqual([]);
    expect(
      await kept("--category", "spam", "--recipient", USER, "--sender", "@sender.example"),
    ).toHaveLength(1);
    expect(await kept("--category", "spam", "--since", "1h", "--smaller", "1M")).toHaveLength(1);
    expect(await kept("--recipient", "@elsewhere.example")).toEqual([]);
    expect(await kept("--before", "1h")).toEqual([]);
  });

  test("the copy of a banned message goes to the folder that policy names", async () => {
    const banned = SAMPLES.find(({ expect: what }) => what === "banned");
    if (banned === undefined) throw new Error("no banned file");
    await world.send(banned.raw, [USER]);
    const copy = await until("the copy", () =>
      world.sink.caught.find(({ to }) => to.includes("admin+rejected/files@example.com")),
    );
    expect(copy.from).toBe("");
    expect(copy.data.toString()).toContain(`X-Envelope-To-Blocked: <${USER}>\r\n`);
    expect(await kept("--category", "banned")).toEqual([]);
  });

  test("the digest comes once, its link looks and its button releases once", async () => {
    const [held] = await kept("--category", "spam");
    const mail = await until("the digest", () => digests(USER)[0], 150_000);
    const digest = await simpleParser(mail.data);
    expect(mail.from).toBe("");
    expect(digest.subject).toBe("1 message to you was held");
    expect(digest.text).toContain(`reference:  ${held?.id ?? "?"}`);
    const link = linkOf(digest);
    expect(link.startsWith(`${base}/release/`)).toBe(true);
    const { mode } = await stat(join(world.postern.dir, "state/link.key"));
    expect(mode & 0o777).toBe(0o600);

    for (let i = 0; i < 3; i++) {
      const page = await fetch(link);
      expect(page.status).toBe(200);
      expect(await page.text()).toContain("Release this message");
    }
    await world.settled();
    expect(world.copies("gtube")).toEqual([]);
    expect((await kept("--category", "spam"))[0]?.released).toEqual([]);

    const pressed = await Promise.all([1, 2, 3, 4].map(() => fetch(link, { method: "POST" })));
    expect(pressed.filter(({ status }) => status === 200)).toHaveLength(1);
    const copy = await until("the released message", () => world.copies("gtube")[0]);
    expect(copy.to).toEqual([USER]);
    expect(copy.data.toString()).toMatch(/^Resent-From: "Content-filter at mx\.example\.com"/m);
    expect(copy.data.toString()).not.toMatch(/^X-(?:Spam|Quarantine|Amavis)/m);
    const again = await fetch(link, { method: "POST" });
    expect(again.status).toBe(409);
    expect(await again.text()).toContain("The message was released already");
    await world.settled();
    expect(world.copies("gtube")).toHaveLength(1);
    expect((await kept("--category", "spam"))[0]?.released).toMatchObject([
      { recipients: [USER], by: "link from [127.0.0.1]" },
    ]);
    expect(world.postern.log()).toMatch(
      new RegExp(
        `Quarantined message release \\(spam\\): ${held?.id ?? ""} .* by link from \\[127\\.0\\.0\\.1\\]`,
      ),
    );
    expect(digests(USER)).toHaveLength(1);
  });

  test("a virus is in no digest; the postmaster must ask for it by name", async () => {
    const [virus] = await kept("--category", "virus");
    const id = virus?.id ?? "?";
    expect((await world.postern.command("quarantine", "release", id)).stderr).toContain("--virus");
    expect(world.copies("eicar")).toEqual([]);
    const sent = await world.postern.command("quarantine", "digest", USER);
    expect(sent).toMatchObject({ code: 0, stdout: "" });
  });

  test("a new key voids every link", async () => {
    await world.send(
      Buffer.from(GTUBE_SAMPLE.raw.toString().replace("<lab-gtube@", "<lab-gtube2@")),
      [USER],
    );
    await until(
      "another kept message",
      async () => (await kept("--category", "spam")).length === 2,
    );
    const { stdout } = await world.postern.command("quarantine", "digest", USER);
    expect(stdout).toMatch(/^digest: to <user@example\.com>: 1 messages/);
    const mail = await until("the second digest", () => digests(USER)[1]);
    const link = linkOf(await simpleParser(mail.data));
    expect((await fetch(link)).status).toBe(200);
    expect((await world.postern.command("quarantine", "rotate-key")).code).toBe(0);
    expect((await fetch(link)).status).toBe(403);
    expect((await fetch(link, { method: "POST" })).status).toBe(403);
    expect(world.copies("gtube2")).toEqual([]);
  });
});
