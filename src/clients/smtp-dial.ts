// Opens a connection to a next hop up to the answer to EHLO or LHLO (RFC 5321 3.1, RFC 2033 4.1). Called by the pool.
import { Connection, isFailure, type Failure } from "./smtp-connection.ts";
import { NO_EXTENSIONS, parseExtensions, type Extensions } from "./smtp-extensions.ts";
import type { NextHop } from "./next-hop.ts";

export interface DialOptions {
  readonly nextHop: NextHop;
  /** What we say in EHLO or LHLO. */
  readonly hostname: string;
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly commandMs: number;
}

/** A connection past its greeting, with what the server offered. */
export interface Line {
  readonly connection: Connection;
  readonly offered: Extensions;
}

/**
 * Connects and greets. A failure instead of a line when the server cannot be reached, is silent too long, refuses, or
 * `deadline` aborts. `onClosed` is called once the socket is gone, in both cases.
 */
export async function dial(
  options: DialOptions,
  deadline: AbortSignal,
  onClosed: () => void,
): Promise<Line | Failure> {
  const connection = new Connection(options.nextHop.at, onClosed);
  const onAbort = (): void => connection.fail("timeout", "deadline");
  deadline.addEventListener("abort", onAbort, { once: true });
  try {
    const connected = await connection.connected(options.connectMs);
    if (isFailure(connected)) return unreachable(connected, options.nextHop);
    return await greet(connection, options);
  } finally {
    deadline.removeEventListener("abort", onAbort);
  }
}

async function greet(connection: Connection, options: DialOptions): Promise<Line | Failure> {
  const { protocol } = options.nextHop;
  const greeting = await connection.read("fwd-greeting", options.greetingMs);
  if (isFailure(greeting)) return greeting;
  if (greeting.code !== 220) return refusal(connection, { step: "fwd-greeting", reply: greeting });

  connection.send([`${protocol === "lmtp" ? "LHLO" : "EHLO"} ${options.hostname}`]);
  const answer = await connection.read("fwd-ehlo", options.commandMs);
  if (isFailure(answer)) return answer;
  if (answer.code === 250) return { connection, offered: parseExtensions(answer) };
  if (protocol === "lmtp" || answer.code < 500)
    return refusal(connection, { step: "fwd-ehlo", reply: answer });

  connection.send([`HELO ${options.hostname}`]);
  const plain = await connection.read("fwd-ehlo", options.commandMs);
  if (isFailure(plain)) return plain;
  if (plain.code === 250) return { connection, offered: NO_EXTENSIONS };
  return refusal(connection, { step: "fwd-ehlo", reply: plain });
}

function refusal(connection: Connection, why: Pick<Failure, "step" | "reply">): Failure {
  connection.quit();
  return { failed: "early", detail: "refused the session", ...why };
}

function unreachable(failure: Failure, { at }: NextHop): Failure {
  if (failure.failed === "timeout") return failure;
  const where = "path" in at ? at.path : `${at.host} port ${at.port}`;
  return { ...failure, failed: "connect", detail: `Can't connect to ${where}, ${failure.detail}` };
}
