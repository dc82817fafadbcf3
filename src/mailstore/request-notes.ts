// What this node has begun and finished of the requests of other nodes, as files in state_dir/requests: a crash in the middle
// must neither release a message twice nor leave who asked without an answer. Written by engine/held-requests.ts.
import { link, readdir, lstat, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { codeOf, ensureDirectory, readText, syncDirectory, writeNew } from "./quarantine-files.ts";

export interface RequestNotes {
  /** "begun" when it was begun and not finished; null when nothing was begun. */
  read(request: string): Promise<"begun" | { readonly answer: string } | null>;
  /** Durable when it resolves; false when it was begun before. Rejects when the note cannot be written. */
  begin(request: string): Promise<boolean>;
  /** The first answer stays. */
  finish(request: string, answer: string): Promise<void>;
  /** Removes notes older than `olderThanMs`; at most 10,000 a run. */
  sweep(olderThanMs: number, now: Date): Promise<void>;
}

const NAME = /^[0-9a-f-]{36}$/;
const MAX_SWEPT = 10_000;

/** True for a name under which a request can be noted. */
export function isRequestName(text: string): boolean {
  return NAME.test(text);
}

/** Notes below `directory`, which is made at first use. Several processes may use them at once. */
export function requestNotes(directory: string): RequestNotes {
  const pathOf = (request: string, what: "begun" | "done"): string => {
    if (!isRequestName(request)) throw new Error("a note needs the name of a request");
    return join(directory, `${request}.${what}`);
  };
  const ready = (): Promise<void> => ensureDirectory(directory, dirname(directory));
  return {
    async read(request) {
      const answer = await readText(pathOf(request, "done"));
      if (answer !== null) return { answer };
      return (await readText(pathOf(request, "begun"))) === null ? null : "begun";
    },
    async begin(request) {
      await ready();
      try {
        await writeNew(pathOf(request, "begun"), "");
      } catch (error) {
        if (codeOf(error) === "EEXIST") return false;
        throw error;
      }
      await syncDirectory(directory);
      return true;
    },
    async finish(request, answer) {
      await ready();
      const path = pathOf(request, "done");
      const staged = `${path}.${randomBytes(6).toString("hex")}`;
      await writeNew(staged, answer);
      try {
        await link(staged, path);
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
      } finally {
        await rm(staged, { force: true });
      }
      await syncDirectory(directory);
    },
    async sweep(olderThanMs, now) {
      const names = await readdir(directory).catch(() => []);
      for (const name of names.slice(0, MAX_SWEPT)) {
        const path = join(directory, name);
        const stat = await lstat(path).catch(() => null);
        if (stat?.isFile() === true && stat.mtimeMs < now.getTime() - olderThanMs)
          await rm(path, { force: true });
      }
    },
  };
}
