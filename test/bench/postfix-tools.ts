// Postfix's load tools: smtp-source sends, smtp-sink takes everything and keeps nothing. Both are C and far faster than
// anything between them.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { freePort } from "../real/lab/ports.ts";
import type { Stage } from "./stage.ts";

const PLACES = ["/usr/sbin", "/usr/lib/postfix/sbin", "/usr/local/sbin"];

const find = (name: string) =>
  PLACES.map((dir) => `${dir}/${name}`).find((path) => existsSync(path)) ?? null;

/** null when both are there; else what to do. */
export function toolsMissing(): string | null {
  const gone = ["smtp-source", "smtp-sink"].filter((name) => find(name) === null);
  return gone.length === 0 ? null : `${gone.join(" and ")} not found: apt-get install postfix`;
}

/** Starts a sink on a free port of 127.0.0.1 and returns it. */
export async function startSink(stage: Stage): Promise<number> {
  const port = await freePort();
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  await stage.start("smtp-sink", find("smtp-sink") ?? "", [...user, `127.0.0.1:${port}`, "200"], {
    ports: [port],
  });
  return port;
}

export interface Load {
  readonly port: number;
  readonly sessions: number;
  readonly messages: number;
  /** Octets of body of each message. */
  readonly size: number;
}

/** Sends made-up messages over reused connections; returns the seconds it took. Throws when anything was refused. */
export function sendLoad({ port, sessions, messages, size }: Load): Promise<number> {
  return source(port, ["-s", String(sessions), "-m", String(messages), "-l", String(size)]);
}

/** The same over LMTP. */
export function sendLmtp({ port, sessions, messages, size }: Load): Promise<number> {
  return source(port, ["-L", "-s", String(sessions), "-m", String(messages), "-l", String(size)]);
}

export interface FileLoad extends Omit<Load, "size"> {
  /** The message, line ends LF. */
  readonly file: string;
}

/** The same with a message of one's own. */
export function sendFile({ port, sessions, messages, file }: FileLoad): Promise<number> {
  return source(port, ["-s", String(sessions), "-m", String(messages), "-F", file]);
}

const WHO = ["-M", "client.example.net", "-f", "sender@example.net", "-t", "recipient@example.com"];

function source(port: number, load: readonly string[]): Promise<number> {
  const args = ["-d", ...WHO, ...load, `127.0.0.1:${port}`];
  const begun = performance.now();
  const child = spawn(find("smtp-source") ?? "", args, { stdio: ["ignore", "ignore", "pipe"] });
  const stop = () => void child.kill("SIGKILL");
  process.once("exit", stop);
  let said = "";
  child.stderr.on("data", (piece: Buffer) => (said = (said + piece.toString()).slice(-2000)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.off("exit", stop);
      if (code === 0) resolve((performance.now() - begun) / 1000);
      else reject(new Error(`smtp-source ended with ${signal ?? code ?? "?"}: ${said.trim()}`));
    });
  });
}
