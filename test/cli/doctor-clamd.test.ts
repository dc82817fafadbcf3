// What doctor says about clamds that answer, are old, are away, or are no clamd.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clamdFindings } from "../../src/cli/doctor-clamd.ts";
import { parseConfig } from "../../src/config.ts";
import { fakeClamd, type FakeClamd } from "../fakes/clamd.ts";

const dir = mkdtempSync(join(tmpdir(), "doctor-clamd-"));
let clamd: FakeClamd;
beforeAll(async () => {
  clamd = await fakeClamd(join(dir, "sock"));
});
afterAll(async () => {
  await clamd.stop();
  rmSync(dir, { recursive: true });
});

const JANUARY_3 = new Date(2025, 0, 3, 12).getTime();
const ask = async (toml: string, now = JANUARY_3) =>
  (await clamdFindings(parseConfig(toml, join(dir, "postern.toml")), now)).map(
    ({ level, text }) => `${level} ${text.replaceAll(clamd.endpoint, "IT")}`,
  );
const it = (more = "") => `[clamd]\nendpoints = ["${clamd.endpoint}"]\n${more}`;
const FITS = '\n[limits]\nmessage_size = "25M"\n';

test("off", async () => {
  expect(await ask("")).toEqual(["ok no virus scanner: [clamd] names no endpoints"]);
});

test("one that answers, with the age of its database", async () => {
  expect(await ask(it(FITS))).toEqual([
    "ok clamd IT answers: ClamAV 1.4.3, database 27500, 1 day(s) old",
    "ok clamd is sent up to 26214400 octets (its StreamMaxLength cannot be asked: it must not be less)",
  ]);
  const [old] = await ask(it(FITS), JANUARY_3 + 8 * 86_400_000);
  expect(old).toBe(
    "warning clamd IT answers: ClamAV 1.4.3, database 27500, 9 day(s) old: does freshclam run?",
  );
});

test("one without a daily database, one that is none", async () => {
  const before = clamd.version;
  clamd.version = "ClamAV 1.4.6";
  expect((await ask(it()))[0]).toMatch(/^warning .*without a daily database/);
  clamd.version = "220 smtp.example ESMTP";
  expect((await ask(it()))[0]).toMatch(/^wrong clamd IT: its reply to VERSION is none of clamd's/);
  clamd.version = before;
});

test("one that is away, and sizes that do not fit", async () => {
  const toml = `[clamd]\nendpoints = ["unix:${dir}/none"]\n`;
  const [away, size] = await ask(toml);
  expect(away).toMatch(/^wrong clamd unix:\S+: ENOENT: is it running/);
  expect(size).toMatch(/^warning .*goes on unscanned.*set limits\.message_size = 26214400$/);
  expect((await ask(`${toml}oversize = "unchecked"\n`))[1]).toMatch(/^warning .*puts it off/);
});
