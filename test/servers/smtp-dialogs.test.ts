// Every file of test/dialogs against a listener in this process.
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { SmtpOptions } from "../../src/servers/smtp.ts";
import { matches, parseDialogue, play } from "./dialogue.ts";
import { rig, type Rig } from "./rig.ts";

const DIR = new URL("../dialogs/", import.meta.url);
let open: Rig | null = null;

afterEach(async () => {
  await open?.close();
  open = null;
});

test.each(readdirSync(DIR).filter((name) => name.endsWith(".smtp")))("%s", async (name) => {
  const { options, steps } = parseDialogue(readFileSync(new URL(name, DIR), "utf8"));
  const values = Object.entries(options).map(([key, value]) => [
    key,
    value === "true" ? true : /^\d+$/.test(value) ? Number(value) : value,
  ]);
  open = await rig(Object.fromEntries(values) as Partial<SmtpOptions>);
  const talker = await open.talk();
  await play(talker, steps);
  talker.end();
  await open.listener.close(1000);
  expect(open.ended).toEqual(open.begun);
  expect(open.room.held).toBe(0);
});

test("the runner notices a wrong line", () => {
  expect(matches("250 *", "250 2.0.0 Ok")).toBe(true);
  expect(matches("250 *", "550 2.0.0 Ok")).toBe(false);
  expect(matches("250 Ok", "250 Ok?")).toBe(false);
});
