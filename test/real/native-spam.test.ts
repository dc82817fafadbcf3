// postern's own engine behind a real Postfix, with the rules of the Debian package: its points become header, verdict and log; a rule that
// never ends costs one message its score and nobody the mail; new rules of the operator count without a restart.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rulesCompiled } from "./lab/engine.ts";
import { until } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { GTUBE_SAMPLE } from "./lab/samples.ts";
import type { Caught } from "./lab/sink.ts";
import { SENDER, worldWithPostern, type PosternWorld } from "./lab/world.ts";

const WAY = { mta: "postfix", hookup: "before-queue", via: "smtp" } as const;

const letter = (name: string, body: string): Buffer =>
  Buffer.from(
    `Message-ID: <lab-${name}@sender.example>\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\nFrom: Ann Author <${SENDER}>\r\nTo: user@example.com\r\nSubject: the minutes of lab-${name}\r\n\r\n${body}\r\n`,
    "latin1",
  );

function headOf({ data }: Caught): string {
  return (data.toString("latin1").split("\r\n\r\n")[0] ?? "").replace(/\r\n[ \t]+/g, " ");
}

describe.skipIf(!have("root", "users", "postfix", "spamd"))("the engine behind Postfix", () => {
  let world: PosternWorld;
  const rule = (text: string): Promise<void> =>
    writeFile(join(world.postern.rulesDir, "local.d/spam/site.cf"), text);

  beforeAll(async () => {
    world = await worldWithPostern(WAY, {
      more: '[greylist]\nwhen = []\n[spam]\nengine = "native"\ndeadline = "2s"\n',
    });
    await mkdir(join(world.postern.rulesDir, "local.d/spam"), { recursive: true });
    await rulesCompiled(world.httpPort);
  });
  afterAll(() => world?.lab.cleanUp());

  const arrived = async (name: string, body: string): Promise<string> => {
    expect((await world.send(letter(name, body))).reply).toMatch(/^250 /);
    return headOf(await world.sink.find(`<lab-${name}@`));
  };

  test("an ordinary letter passes with its points", async () => {
    const head = await arrived("ham", "Dear Bob,\r\n\r\nhere are the minutes.\r\n\r\nAnn");
    expect(head).toMatch(/^X-Spam-Status: No, score=-?\d+\.\d/m);
    expect(await world.logLine("ham")).toMatch(/Passed CLEAN .* Hits: -?\d/);
  });

  test("GTUBE is refused", async () => {
    const refused = await world.send(GTUBE_SAMPLE.raw);
    expect(refused.reply).toMatch(/^5/);
  });

  test("a rule of the site counts without a restart", async () => {
    await rule("body SITE_ZEBRA /\\bzebra\\b/\nscore SITE_ZEBRA 6.5\ndescribe SITE_ZEBRA Zebras\n");
    let turn = 0;
    await until(
      "the new rule",
      async () => /SITE_ZEBRA=6\.5/.test(await arrived(`zebra${++turn}`, "A zebra.")),
      30_000,
    );
    expect(await arrived("zebra-last", "A zebra.")).toMatch(/^X-Spam-Flag: YES/m);
  });

  test("a pattern that never ends is cut off, named, and the mail passes", async () => {
    await rule("body SITE_SLOW /x(?:a|aa)+y/\nscore SITE_SLOW 1\n");
    let turn = 0;
    let head = "";
    await until(
      "the slow rule",
      async () => {
        head = await arrived(`slow${++turn}`, `x${"a".repeat(80)} xay`);
        return (await world.logLine(`slow${turn}`)).includes("UNCHECKED");
      },
      60_000,
    );
    await until("its name in the log", () => /SITE_SLOW/.test(world.postern.log()));
    expect(head).toContain("Subject: the minutes");
    await rule("");
    await until("ordinary mail", async () =>
      /^X-Spam-Status: No/m.test(await arrived(`after${++turn}`, "Dear Bob,\r\n\r\nbye\r\n")),
    );
  });
});
