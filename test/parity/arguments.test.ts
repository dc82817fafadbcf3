// What `npm run parity` makes of its command line, wrong ones above all.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/cli/options.ts";
import { argumentsOf, mustExist } from "./arguments.ts";
import { oracleOpinions } from "./oracle-side.ts";
import { runningSpamd } from "./spamd-side.ts";

describe("the command line of parity", () => {
  test("defaults depend on the other side", () => {
    expect(argumentsOf(["mail"])).toMatchObject({ passes: 2, seconds: 15, atOnce: 2 });
    expect(argumentsOf(["--oracle", "o.json"])).toMatchObject({ passes: 1, seconds: 0, paths: [] });
    expect(argumentsOf(["--seconds", "0", "mail"])).toMatchObject({ seconds: 0, paths: ["mail"] });
  });

  test("asks for help and for nothing else", () => {
    expect(argumentsOf(["--help"])).toBeNull();
    expect(argumentsOf(["-h", "mail"])).toBeNull();
  });

  test.each([
    [[], /which messages\?/],
    [["--pases", "1", "mail"], /unknown option "--pases".*passes/],
    [["--passes", "x", "mail"], /--passes x: a whole number/],
    [["--passes", "0", "mail"], /--passes 0: a whole number from 1/],
    [["--at-once=-1", "mail"], /--at-once -1/],
    [["--spamd", "a:1", "--oracle", "o.json"], /exclude one another/],
    [["--subrules", "mail"], /needs --oracle/],
    [["mail", "--rules"], /--rules/],
  ])("%j is refused", (args, why) => {
    expect(() => argumentsOf(args)).toThrow(why);
    expect(() => argumentsOf(args)).toThrow(UsageError);
  });

  test("paths that are not there, and answers that are none", async () => {
    await expect(mustExist("--site", "/nowhere/at/all", true)).rejects.toThrow(/is not there/);
    await expect(mustExist("--site", import.meta.filename, true)).rejects.toThrow(/no directory/);
    await expect(oracleOpinions([import.meta.filename], false)).rejects.toThrow(
      /arguments\.test\.ts:1: no answer/,
    );
  });

  test("a spamd that is not there is said to be so at once", async () => {
    const socket = join(tmpdir(), "no-spamd-listens-here.sock");
    await expect(runningSpamd(`unix:${socket}`)).rejects.toThrow(/no spamd answers at/);
    await expect(runningSpamd("not a socket")).rejects.toThrow(UsageError);
  });
});
