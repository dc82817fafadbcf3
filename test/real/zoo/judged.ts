// What postern makes of a file that real tools made: it is attached to a message and judged as `postern scan` judges, with the rules
// that ship. For the suites beside this file.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dryJudge } from "../../../src/cli/dry-judge.ts";
import { parseConfig } from "../../../src/config.ts";
import type { Config } from "../../../src/config.ts";
import { oneBuffer } from "../../../src/engine/report.ts";
import { benchOf, deepening, surroundings } from "../../../src/judging.ts";
import type { Part } from "../../../src/mail/message.ts";
import { readRules } from "../../../src/ruleset/source.ts";

/** The harmless test virus, in two pieces, so that scanners let this file live. */
export const EICAR = Buffer.from(
  "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
);

/** A Windows program that does nothing: just the headers by which it is known. */
export const PROGRAM = program();

function program(): Buffer {
  const bytes = Buffer.alloc(1024);
  bytes.write("MZ");
  bytes.writeUInt32LE(128, 60);
  bytes.write("PE\0\0", 128);
  bytes.writeUInt16LE(0x0102, 150);
  return bytes;
}

/** A message with this file attached. */
export function mailWith(file: Buffer, name: string): Buffer {
  return Buffer.concat([
    Buffer.from(
      [
        "From: A <a@example.org>",
        "To: user@example.net",
        "Subject: a file",
        "Date: Mon, 05 Jan 2026 10:00:00 +0000",
        "Message-ID: <zoo@example.org>",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="zoo-boundary"',
        "",
        "--zoo-boundary",
        "Content-Type: text/plain",
        "",
        "See the attachment.",
        "--zoo-boundary",
        "Content-Type: application/octet-stream",
        `Content-Disposition: attachment; filename="${name}"`,
        "Content-Transfer-Encoding: base64",
        "",
        "",
      ].join("\r\n"),
    ),
    Buffer.from(file.toString("base64").replace(/.{76}/g, "$&\r\n")),
    Buffer.from("\r\n--zoo-boundary--\r\n"),
  ]);
}

export interface Judged {
  readonly parts: readonly Part[];
  /** Symbols of all findings, sorted, each once. */
  readonly symbols: readonly string[];
  /** The details of the findings with a symbol. */
  details(symbol: string): string[];
  /** Names of parts in which a mark was found. */
  marked(mark: "EICAR" | "GTUBE"): string[];
  /** The first name of every part below the attachment, "" for those without. */
  readonly names: readonly string[];
}

export interface Judging {
  judge(file: Buffer, name: string): Promise<Judged>;
  close(): Promise<void>;
}

/** Judges with the rules that ship; `more` are lines for banned.rules in front of them, `toml` configuration. */
export async function judging(more = "", toml = ""): Promise<Judging> {
  const config: Config = parseConfig(toml, "postern.toml");
  const read = await readRules(fileURLToPath(new URL("../../../rules", import.meta.url)));
  if ("errors" in read) throw new Error("rules/ cannot be read");
  const source = new Map([...read.ok, ["local.d/banned.rules", more]] as const);
  const bench = benchOf(source, config);
  const deep = deepening(config);
  const around = surroundings(config, () => false, deep);
  const facts = {
    client: { address: null, name: null, helo: null },
    sender: "a@example.org",
    recipients: ["user@localhost"],
    mode: "before-queue",
    origin: "inbound",
  } as const;
  return {
    async judge(file, name) {
      const body = oneBuffer(mailWith(file, name));
      const { message, judgement } = await dryJudge(body, facts, bench, around, config);
      const { parts } = await message.tree();
      const { findings } = judgement;
      return {
        parts,
        symbols: [...new Set(findings.map(({ symbol }) => symbol))].sort(),
        details: (symbol) =>
          findings.filter((finding) => finding.symbol === symbol).map(({ detail }) => detail),
        marked: (mark) =>
          parts.filter(({ marks }) => marks.includes(mark)).map(({ names }) => names[0] ?? ""),
        names: parts
          .filter(({ path }) => path.startsWith("1/2/"))
          .map(({ names }) => names[0] ?? ""),
      };
    },
    close: async () => deep.close(),
  };
}

/** A directory for a tool to work in. */
export interface Workshop {
  readonly directory: string;
  write(name: string, octets: Buffer | string): void;
  read(name: string): Buffer;
  /** Runs a shell command there; throws with what it said when it fails. */
  run(command: string): Buffer;
  close(): void;
}

export function workshop(): Workshop {
  const directory = mkdtempSync(join(tmpdir(), "postern-zoo-"));
  return {
    directory,
    write: (name, octets) => writeFileSync(join(directory, name), octets),
    read: (name) => readFileSync(join(directory, name)),
    run: (command) =>
      execFileSync("bash", ["-ec", command], {
        cwd: directory,
        maxBuffer: 1 << 28,
        env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
