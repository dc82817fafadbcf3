// The log: message lines (one grammar that log readers know) on standard output, everything about postern itself on standard
// error; or both as JSON lines on standard output. Escaping is done here, so that no text from a message can forge a line.
import pino from "pino";

export type LogFormat = "text" | "json";

export interface Log {
  /** Something that an operator wants to know; `facts` only appear in JSON. */
  info(text: string, facts?: Facts): void;
  /** Something went wrong and was coped with: "(!)" in text. */
  warn(text: string, facts?: Facts): void;
  /** Something went wrong that needs a person: "(!!)" in text. */
  error(text: string, facts?: Facts): void;
  /** The canonical lines of one message, and the same facts for JSON. */
  message(lines: readonly string[], facts: () => Facts): void;
  /** Writes out what is buffered; for exits. */
  flush(): void;
}

export type Facts = Readonly<Record<string, unknown>>;

/** A destination that collects nothing and loses nothing: writes happen in order, in the background. */
interface Out {
  write(text: string): unknown;
  flushSync(): void;
}

/** Lines are written when there are this many octets of them, or after FLUSH_MS. */
const GATHER = 8192;
const FLUSH_MS = 50;

/**
 * The log of a process. Text lines carry no time: syslog and the journal add it. A write per line would cost more than
 * judging some messages: they are gathered for up to 50 ms, which is what a kill -9 may cut off.
 */
export function processLog(format: LogFormat): Log {
  const out = gathered(pino.destination({ dest: 1, sync: false, minLength: GATHER }));
  setInterval(() => out.flush(), FLUSH_MS).unref();
  if (format === "json") return jsonLog(out);
  return textLog(out, pino.destination({ dest: 2, sync: true }));
}

/** Hands over many lines as one text: each costs its destination a look at its length, a copy and a clock. */
function gathered(to: Out & { flush(): void }): Out & { flush(): void } {
  let held = "";
  const hand = (): void => {
    if (held === "") return;
    const text = held;
    held = "";
    to.write(text);
  };
  return {
    write(text) {
      held += text;
      if (held.length >= GATHER) hand();
    },
    flush() {
      hand();
      to.flush();
    },
    flushSync() {
      hand();
      to.flushSync();
    },
  };
}

/** The text form over any pair of writers; exported for tests and for commands. */
export function textLog(out: Out, err: Out): Log {
  const say = (mark: string, text: string): void => void err.write(`${mark}${printable(text)}\n`);
  return {
    info: (text) => say("", text),
    warn: (text) => say("(!)", text),
    error: (text) => say("(!!)", text),
    message: (lines) => {
      for (const line of lines) out.write(`${printable(line)}\n`);
    },
    flush: () => {
      flush(out);
      flush(err);
    },
  };
}

/** The JSON form: one object a line, `msg` holding the text; for messages the facts alone. */
export function jsonLog(out: Out): Log {
  const logger = pino({ base: { pid: process.pid } }, out as pino.DestinationStream);
  return {
    info: (text, facts) => logger.info(facts ?? {}, text),
    warn: (text, facts) => logger.warn(facts ?? {}, text),
    error: (text, facts) => logger.error(facts ?? {}, text),
    message: (_lines, facts) => logger.info(facts(), "message"),
    flush: () => flush(out),
  };
}

function flush(out: Out): void {
  try {
    out.flushSync();
  } catch {
    // A destination that was never opened, or whose reader has gone: there is nobody left to tell.
  }
}

/** Control characters and marks that turn the reading direction become "?": a log line is one line and reads as it stands. */
function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f\u0080-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
}
