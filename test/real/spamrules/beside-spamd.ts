// The engine and a real spamd, both with the stock rules and more, over the same messages: what each of them says. Used by suites here.
import { ruleDirectories } from "../../../src/spamrules/language/directories.ts";
import { compare, type Parity, type Opinion } from "../../parity/compare.ts";
import { ourSide } from "../../parity/our-side.ts";
import { startedSpamd } from "../../parity/spamd-side.ts";

/** `more`: lines behind those of the rule files, for both. Points that are within 0.01 count as the same. */
export async function besideSpamd(
  messages: ReadonlyMap<string, Buffer>,
  more: string,
): Promise<Parity> {
  const { ruleDirs, siteDirs } = await ruleDirectories();
  const where = { ruleDir: ruleDirs[0] ?? "", siteDir: siteDirs[0] ?? "", more };
  const [ours, theirs] = [await ourSide(where, 1, false), await startedSpamd(where, 2)];
  const our = new Map<string, Opinion | null>();
  const their = new Map<string, Opinion | null>();
  try {
    for (const [name, octets] of messages) {
      our.set(name, await ours.opinion(octets));
      their.set(name, await theirs.opinion(octets));
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  return compare(our, their, 0.01);
}
