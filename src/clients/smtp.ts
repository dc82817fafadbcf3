// The SMTP and LMTP client (RFC 5321, RFC 2033): a Destination for one next hop. Pooled connections, everything up to
// DATA in one write, the final dot withheld until commit. Own, since no client on npm joins pipelining, XFORWARD,
// per-recipient LMTP replies and DSN. Wired by relays.ts; DSNs and releases go out through it too.
import assert from "node:assert/strict";
import { refused, type Destination, type Prepared } from "../mail/destination.ts";
import type { NextHop } from "./next-hop.ts";
import { isFailure, type Failure, type Step } from "./smtp-connection.ts";
import { Pool } from "./smtp-pool.ts";
import { failureReply } from "./smtp-relayed.ts";
import { transact, type Request, type Terms } from "./smtp-transaction.ts";

export interface SmtpOptions {
  readonly nextHop: NextHop;
  /** Our name in EHLO and LHLO: printable ASCII without spaces. */
  readonly hostname: string;
  /** Connections at once, of this process; default 20. Who comes later waits, until its deadline. */
  readonly maxConnections?: number;
  /** Messages per connection, default 100. */
  readonly maxMessages?: number;
  /** Until the connection stands; default 10 s. */
  readonly connectMs?: number;
  /** Until the greeting; default 30 s. */
  readonly greetingMs?: number;
  /** Until the reply to one command; default 60 s. */
  readonly commandMs?: number;
  /** Without progress while the body goes out; default 60 s. */
  readonly bodyMs?: number;
  /** Until the reply to the final dot, for each reply; default 600 s (RFC 5321 4.5.3.2.6). */
  readonly dataDoneMs?: number;
  /** An unused connection is closed after; default 30 s. */
  readonly idleMs?: number;
  /** Called for log and metrics; must not throw. */
  readonly onEvent?: (event: SmtpEvent) => void;
}

/**
 * `connect`: a first message on a new connection; `reuse`: a further one; `retry`: an old connection was dead and the
 * message starts again on a new one; `failure`: no answer, tempfail; `unknown`: no answer after the final dot, tempfail,
 * but the next hop may have the message.
 */
export interface SmtpEvent {
  readonly kind: "connect" | "reuse" | "retry" | "failure" | "unknown";
  /** Log id of the message. */
  readonly id: string;
  readonly mta: string;
  readonly step: Step | null;
  readonly detail: string;
}

/** What a next hop says of itself. */
export interface Probe {
  readonly reachable: boolean;
  /** One line for the operator when it is not, else "". */
  readonly detail: string;
  /** The lines of its answer to EHLO or LHLO, its name left out. */
  readonly extensions: readonly string[];
}

export interface SmtpDestination extends Destination {
  /** Whether the next hop offers DSN; null as long as no connection was made. */
  offersDsn(): boolean | null;
  /** Connects (or takes an unused connection) and says what is there. Never rejects. */
  probe(deadline: AbortSignal): Promise<Probe>;
  /** Refuses new messages, closes unused connections, resolves when those under way are done. */
  close(): Promise<void>;
}

type Settings = Required<Omit<SmtpOptions, "onEvent">> & {
  readonly onEvent: (event: SmtpEvent) => void;
};

/** A Destination that hands messages to `nextHop`. Throws on a hostname that could not be said. */
export function smtpDestination(options: SmtpOptions): SmtpDestination {
  assert(
    /^[\x21-\x7e]{1,255}$/.test(options.hostname),
    "the EHLO name is printable ASCII without spaces",
  );
  const settings: Settings = {
    maxConnections: 20,
    maxMessages: 100,
    connectMs: 10_000,
    greetingMs: 30_000,
    commandMs: 60_000,
    bodyMs: 60_000,
    dataDoneMs: 600_000,
    idleMs: 30_000,
    onEvent: () => {},
    ...options,
  };
  const pool = new Pool(settings);
  return {
    prepare: (copy, recipients, deadline) =>
      prepare(pool, settings, { copy, recipients, deadline }),
    offersDsn: () => pool.offersDsn,
    probe: (deadline) => probe(pool, deadline),
    close: () => pool.close(),
  };
}

async function prepare(pool: Pool, settings: Settings, request: Request): Promise<Prepared> {
  const { copy, recipients, deadline } = request;
  const mta = settings.nextHop.name;
  const tell = (kind: SmtpEvent["kind"], failure: Failure | null): void =>
    settings.onEvent({
      kind,
      id: copy.id,
      mta,
      step: failure?.step ?? null,
      detail: failure?.detail ?? "",
    });
  if (recipients.length === 0)
    return { replies: [], commit: async () => [], abort: async () => {} };

  for (let fresh = false; ; fresh = true) {
    const line = await pool.take(fresh, deadline);
    if (isFailure(line)) {
      tell("failure", line);
      return refused(recipients, failureReply(line, mta, copy.id));
    }
    const reused = line.connection.served++ > 0;
    tell(reused ? "reuse" : "connect", null);
    const give = (): void => pool.give(line);
    const terms: Terms = { ...settings, mta, mayRetry: reused, tell, give };
    const prepared = await transact(line, request, terms).catch((error: unknown) => {
      // A fault of ours (an assertion): the place in the pool must not be lost with it.
      line.connection.fail("closed", "internal error");
      throw error;
    });
    if (prepared !== null) return prepared;
    tell("retry", null);
  }
}

async function probe(pool: Pool, deadline: AbortSignal): Promise<Probe> {
  const line = await pool.take(false, deadline);
  if (isFailure(line)) {
    const said = line.reply === null ? "" : `: ${line.reply.code} ${line.reply.lines.join(" ")}`;
    return { reachable: false, detail: `${line.detail}${said}`, extensions: [] };
  }
  pool.give(line);
  return { reachable: true, detail: "", extensions: line.offered.lines };
}
