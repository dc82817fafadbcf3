// What every hookup must do with postern in it, as vitest cases; the files of the MTAs call it for each way in. The
// configurations of the MTA and of postern are those of deploy/, the rules are those that ship.
import { expect, test } from "vitest";
import type { Dkim } from "./dkim.ts";
import { until } from "./lab.ts";
import {
  addedFields,
  forged,
  FORGED_FIELDS,
  GTUBE_SAMPLE,
  longLine,
  SAMPLES,
  type Sample,
} from "./samples.ts";
import { as } from "./unit.ts";
import { SENDER, type Hookup, type PosternWorld } from "./world.ts";

export interface Running {
  readonly world: PosternWorld;
  readonly dkim: Dkim;
}

const STOPPED: Readonly<Record<"virus" | "banned", RegExp>> = {
  virus: / Blocked INFECTED \(/,
  banned: / Blocked BANNED \(/,
};

const fieldNames = (fields: readonly string[] | null) =>
  fields?.map((field) => field.split(":")[0]) ?? null;

/** Declares the cases; `running` is asked when they run. */
export function hookupCases(hookup: Hookup, running: () => Running): void {
  passing(running);
  stopping(hookup, running);
  spam(hookup, running);
  outgoing(hookup, running);
}

function passing(running: () => Running): void {
  test.each(SAMPLES.filter((sample) => sample.expect === "pass"))(
    "$name passes byte for byte",
    async (sample) => {
      const { world } = running();
      expect((await world.send(sample.raw)).reply).toMatch(/^250 /);
      const line = await world.logLine(sample.name);
      expect(line).toMatch(/ Passed CLEAN \{RelayedInbound\}, /);
      expect(line).toContain(`[${world.client}]`);
      await world.sink.find(`Message-ID: <lab-${sample.name}@`);
      const copies = world.copies(sample.name);
      expect(copies.map((copy) => copy.to)).toEqual([["user@example.com"]]);
      // Ours is the Received line in the middle; the first is of the way back, the last of the way in.
      const added = addedFields(sample.raw, copies[0]?.data ?? Buffer.alloc(0));
      expect(fieldNames(added)).toEqual(["Received", "Received", "Received"]);
    },
  );

  test("a DKIM signature over a line of 5,000 bytes still verifies", async () => {
    const { world, dkim } = running();
    await world.send(await dkim.sign(longLine("signed", 5000)));
    expect(await dkim.verify((await world.sink.find("<lab-signed@")).data)).toBe("pass");
  });

  test("fields that pretend to be ours are gone, all others stay in place", async () => {
    const { world } = running();
    await world.send(forged("forged"));
    const text = (await world.sink.find("<lab-forged@")).data.toString("latin1");
    const own = FORGED_FIELDS.filter((name) => new RegExp(`^${name}:`, "im").test(text));
    expect(
      own.filter(
        (name) => text.includes(`${name}: No, score=-100`) || text.includes("nothing to see"),
      ),
    ).toEqual([]);
    expect(text).not.toMatch(/forged>$|X-Spam-Flag: NO/m);
    const kept = forged("forged")
      .toString("latin1")
      .replace(/^(?:X-Spam-\w+|X-Quarantine-ID|X-Amavis-Alert):.*\r\n/gm, "");
    expect(text.endsWith(kept)).toBe(true);
  });
}

function stopping(hookup: Hookup, running: () => Running): void {
  const stopped = SAMPLES.filter((sample): sample is Sample & { expect: "virus" | "banned" } =>
    /virus|banned/.test(sample.expect),
  );
  test.each(stopped)("$name is stopped and kept", async (sample) => {
    const { world } = running();
    const { reply } = await world.send(sample.raw);
    const inDialogue = hookup.hookup !== "after-queue";
    expect(reply).toMatch(inDialogue ? /^554 5\.7\.0 Reject, id=/ : /^250 /);
    const line = await world.logLine(sample.name);
    expect(line).toMatch(STOPPED[sample.expect]);
    expect(line).toContain(
      inDialogue ? "{RejectedInbound,Quarantined}" : "{DiscardedInbound,Quarantined}",
    );
    expect(world.copies(sample.name)).toEqual([]);
    const id = /mail_id: ([\w-]+)/.exec(line)?.[1] ?? "";
    expect((await world.postern.command("quarantine", "list")).stdout).toContain(id);
    const shown = await world.postern.command("quarantine", "show", id, "--raw");
    expect(shown.stdout).toContain(`Message-ID: <lab-${sample.name}@`);
  });

  test("a kept message is listed, shown and released with Resent-* and without our fields", async () => {
    const { world } = running();
    const sample = stopped[1];
    if (sample === undefined) throw new Error("no sample");
    const raw = renamed(sample.raw, sample.name, "release");
    await world.send(raw);
    const line = await world.logLine("release");
    const id = /mail_id: ([\w-]+)/.exec(line)?.[1] ?? "";
    const command = (...args: readonly string[]) => world.postern.command("quarantine", ...args);
    const shown: unknown = JSON.parse((await command("show", id, "--json")).stdout);
    expect(shown).toMatchObject({ id, keptAs: "banned", sender: SENDER });
    const released = await command("release", id);
    expect(released.stderr + released.stdout, world.postern.log().slice(-2000)).not.toMatch(
      /error/i,
    );
    expect(released.code).toBe(0);
    // Not sink.find: a notice about the message may quote its Message-ID.
    const caught = await until("the released message", () => world.copies("release")[0]);
    await world.settled();
    expect(world.copies("release").map((copy) => copy.to)).toEqual([["user@example.com"]]);
    const added = addedFields(raw, caught.data);
    expect([...new Set(fieldNames(added))].sort()).toEqual([
      "Received",
      "Resent-Date",
      "Resent-From",
      "Resent-Message-ID",
      "Resent-Sender",
      "Resent-To",
    ]);
    expect(caught.data.toString("latin1")).not.toMatch(/^X-(?:Quarantine|Spam|Amavis|Envelope)/im);
    expect(world.postern.log()).not.toMatch(/Blocked [^\n]*rel-/);
    // The server that runs as another user than the command still reads, lists and deletes it.
    const asServer = await as("postern", "sh", "-c", `cat ${quarantineDir(world)}/*/*${id}.json`);
    expect(JSON.parse(asServer.stdout)).toMatchObject({
      released: [{ recipients: ["user@example.com"] }],
    });
    expect((await command("list")).stdout).toMatch(new RegExp(`${id}.*released`, "i"));
  });
}

const quarantineDir = (world: PosternWorld) => `${world.postern.dir}/state/quarantine`;

const renamed = (raw: Buffer, from: string, to: string) =>
  Buffer.from(raw.toString("latin1").replaceAll(`lab-${from}`, `lab-${to}`), "latin1");

function spam(hookup: Hookup, running: () => Running): void {
  test("GTUBE is rejected in the dialogue, tagged for Junk after the queue", async () => {
    const { world } = running();
    const { reply } = await world.send(GTUBE_SAMPLE.raw);
    const line = await world.logLine(GTUBE_SAMPLE.name);
    if (hookup.hookup !== "after-queue") {
      expect(reply).toMatch(/^554 5\.7\.0 Reject, id=\S+ - spam$/);
      expect(line).toMatch(/ Blocked SPAM \{RejectedInbound,Quarantined\}, /);
      expect(world.copies(GTUBE_SAMPLE.name)).toEqual([]);
      return;
    }
    expect(line).toMatch(/ Passed SPAM \{RelayedTaggedInbound\}, /);
    const caught = await world.sink.find("<lab-gtube@");
    expect(caught.to).toEqual(["user+Junk@example.com"]);
    const added = addedFields(GTUBE_SAMPLE.raw, caught.data);
    expect(added).toContain("X-Spam-Flag: YES\r\n");
  });

  test("metrics count what was judged", async () => {
    const { world } = running();
    const text = await until("metrics", async () => {
      const response = await fetch(`http://127.0.0.1:${world.httpPort}/metrics`);
      return response.ok && response.text();
    });
    expect(text).toMatch(/^postern_messages_total\{[^}]*disposition="[a-z]+"[^}]*\} [1-9]/m);
    expect(text).not.toMatch(/example\.com/);
  });
}

/** Our own users: sendmail(1), and submission with a password where the MTA of this suite has it. */
function outgoing(hookup: Hookup, running: () => Running): void {
  const text = (name: string) =>
    `X-Spam-Status: No, of our own user\nMessage-ID: <lab-${name}@sender.example>\nSubject: lab-${name}\n\nhello\n`;

  test("mail of sendmail(1) to the outside is outbound, and loses no field", async () => {
    const { world } = running();
    await world.mta.sendmail(SENDER, ["x@elsewhere.example"], text("cron"));
    expect(await world.logLine("cron")).toMatch(/ Passed CLEAN \{RelayedOutbound\}, /);
    const { to, data } = await world.sink.find("<lab-cron@");
    expect(to).toEqual(["x@elsewhere.example"]);
    expect(data.toString("latin1")).toMatch(/^X-Spam-Status: No, of our own user\r$/m);
  });

  test("mail of sendmail(1) to us is internal", async () => {
    const { world } = running();
    await world.mta.sendmail(SENDER, ["user@example.com"], text("cron-here"));
    expect(await world.logLine("cron-here")).toMatch(/ Passed CLEAN \{RelayedInternal\}, /);
    await world.sink.find("<lab-cron-here@");
  });

  // In the dialogue Exim itself bounces, with the program in it, and postern stops that too (deploy/README.md).
  if (hookup.hookup === "in-dialogue") return;
  test("a program that our own user sends with sendmail(1) is stopped, and he is told", async () => {
    const { world } = running();
    const sample = SAMPLES.find(({ name }) => name === "double-extension");
    const raw = renamed(sample?.raw ?? Buffer.alloc(0), "double-extension", "sent-program");
    const unix = raw.toString("latin1").replaceAll("\r\n", "\n");
    await world.mta.sendmail(SENDER, ["x@elsewhere.example"], Buffer.from(unix, "latin1"));
    expect(await world.logLine("sent-program")).toMatch(
      / Blocked BANNED \([^{]*\{\w*Outbound[^}]*\}, /,
    );
    const report = await until("a report", () =>
      world.sink.caught.find(
        ({ from, data }) => from === "" && data.includes("<lab-sent-program@"),
      ),
    );
    expect(report.to).toEqual([SENDER]);
    expect(world.copies("sent-program")).toEqual([]);
  });
}
