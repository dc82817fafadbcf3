// Our engine as one side of a comparison: threads as in a worker, over the rules of given directories.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { residentOf } from "../bench/procfs.ts";
import { spamEngine, type SpamEngine } from "../../src/spamrules/engine.ts";
import type { AboutRules, EngineData } from "../../src/spamrules/engine-job.ts";
import { readLanguages } from "../../src/spamrules/language/models-file.ts";
import { readRules } from "../../src/spamrules/language/read.ts";
import type { Opinion } from "./compare.ts";
import type { Meter } from "./speed.ts";

export interface Side {
  readonly name: string;
  /** null: it has no answer. */
  opinion(octets: Buffer): Promise<Opinion | null>;
  readonly meter: Meter;
  stop(): Promise<void>;
}

export interface RulePlaces {
  readonly ruleDir: string;
  readonly siteDir: string;
  /** More lines, read last. */
  readonly more: string;
}

export async function engineData({ ruleDir, siteDir, more }: RulePlaces): Promise<EngineData> {
  const places = { ruleDirs: [ruleDir], siteDirs: [siteDir] };
  const read = await readRules(places);
  const texts = [...read.texts, { file: "(more)", octets: more }];
  const languages = await readLanguages(places, texts);
  return {
    texts,
    includes: [...read.includes].map(([file, named]) => [file, [...named]] as const),
    problems: read.problems,
    ...(read.absent && { absent: read.absent }),
    ...(languages && { languages }),
    local: true,
    bayes: false,
    hostname: "localhost",
  };
}

export interface OurSide extends Side {
  readonly about: AboutRules;
}

/** `subrules`: hits of rules whose name starts with "__" count too. */
export async function ourSide(
  places: RulePlaces,
  threads: number,
  subrules: boolean,
): Promise<OurSide> {
  const dir = await mkdtemp(join(tmpdir(), "parity-"));
  const data = { ...(await engineData(places)), cache: join(dir, "patterns.cache") };
  // As all workers but the very first, its threads find in a file what is known of patterns.
  const first = spamEngine({ data, deadlineMs: 30_000, threads: 1 });
  await warmed(first, 1);
  await first.close();
  const engine = spamEngine({ data, deadlineMs: 30_000, threads });
  const about = await warmed(engine, threads);
  return {
    name: "postern's engine",
    about,
    async opinion(octets) {
      const answer = await engine.score([octets], { now: Date.now(), subrules }, null);
      if ("failed" in answer || answer.partial !== null) return null;
      return {
        total: answer.total,
        required: answer.required,
        rules: new Map(answer.hits.map(({ rule, score }) => [rule, score])),
      };
    },
    meter: {
      cpuSeconds: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
      residentMiB: () => residentOf([process.pid]) / 1024 / 1024,
      of: `this process with ${threads} thread${threads === 1 ? "" : "s"}`,
    },
    async stop() {
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** All threads have compiled. */
async function warmed(engine: SpamEngine, threads: number): Promise<AboutRules> {
  const all = await Promise.all(Array.from({ length: threads }, () => engine.warm()));
  const [about] = all;
  if (about === undefined || "failed" in about)
    throw new Error(`the rules cannot be used: ${about?.failed ?? ""}`);
  return about;
}
