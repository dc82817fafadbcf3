// kill -9 at any moment: what was promised is there and whole, and what was not leaves nothing after a sweep.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { quarantine } from "../../src/mailstore/quarantine.ts";

const WRITER = fileURLToPath(new URL("quarantine-writer.ts", import.meta.url));

test.each([1, 7, 40])("killed after %d promises", async (promises) => {
  const root = await mkdtemp(join(tmpdir(), "postern-kill-"));
  const directory = join(root, "kept");
  try {
    const writer = spawn(process.execPath, [WRITER, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    writer.stdout.setEncoding("latin1").on("data", (text: string) => {
      said += text;
      if (said.split("\n").length > promises) writer.kill("SIGKILL");
    });
    await once(writer, "close");
    const promised = said.split("\n").slice(0, -1);
    expect(promised.length).toBeGreaterThanOrEqual(promises);

    const store = quarantine({ directory, warn: () => {} });
    await store.sweep({ olderThanMs: -60_000, now: new Date() });
    for (const id of promised) {
      const kept = await store.read(id);
      const pieces: Buffer[] = [];
      if (kept !== null) for await (const piece of kept.body.open()) pieces.push(piece);
      expect(Buffer.concat(pieces).toString()).toContain(`Subject: ${id}\r\n\r\n${id}\r\n`);
    }
    const listed: string[] = [];
    for await (const { id } of store.list()) listed.push(`spam-${id}.gz`, `spam-${id}.json`);
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((e) => e.isFile() && !e.parentPath.includes(".keys"));
    expect(files.map((e) => e.name).sort()).toEqual(listed.sort());
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
