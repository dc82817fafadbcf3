// Plays test/dialogs/*.smtp against a listener. "C:" lines that follow one another go out in one write; "C~:" is a line
// without CRLF at its end; "S:" lines are what must come, "*" standing for anything; "S: <close>" is the end of the
// connection. In C lines \r \n \0 \\ and \xHH are octets. "! key value" sets a listener option, "#" is a comment.
import { connect, type Socket } from "node:net";

export interface Step {
  readonly line: number;
  readonly kind: "send" | "expect";
  readonly text: string;
}

export interface Dialogue {
  readonly options: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

export function parseDialogue(text: string): Dialogue {
  const options: Record<string, string> = {};
  const steps: Step[] = [];
  text.split("\n").forEach((raw, index) => {
    const line = index + 1;
    if (raw === "" || raw.startsWith("#")) return;
    const option = /^! (\w+) (.*)$/.exec(raw);
    const step = /^(C|C~|S): ?(.*)$/.exec(raw);
    if (option) options[option[1]!] = option[2]!;
    else if (step?.[1] === "S") steps.push({ line, kind: "expect", text: step[2]! });
    else if (step) {
      steps.push({ line, kind: "send", text: octets(step[2]!) + (step[1] === "C" ? "\r\n" : "") });
    } else throw new Error(`line ${line}: ${raw}`);
  });
  return { options, steps };
}

function octets(text: string): string {
  const named: Record<string, string> = { r: "\r", n: "\n", "0": "\0", "\\": "\\" };
  const utf8 = Buffer.from(text, "utf8").toString("latin1");
  return utf8.replace(/\\(?:([rn0\\])|x([0-9A-Fa-f]{2}))/g, (_all, name: string, hex: string) =>
    name ? named[name]! : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** A client that reads line by line. */
export class Talker {
  readonly socket: Socket;
  #text = "";
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#text += text;
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static to(where: { port: number; host: string } | { path: string }): Promise<Talker> {
    return new Promise((resolve, reject) => {
      const socket = connect(where);
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Talker(socket)));
    });
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** The next line without CRLF; null when the connection ended. */
  async line(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf("\r\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The last line of the next reply. */
  async reply(): Promise<string | null> {
    for (;;) {
      const line = await this.line();
      if (line === null || line[3] !== "-") return line;
    }
  }

  /** Sends a command line and resolves to its reply. */
  ask(command: string): Promise<string | null> {
    this.send(`${command}\r\n`);
    return this.reply();
  }

  end(): void {
    this.socket.destroy();
  }
}

export function matches(pattern: string, line: string): boolean {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${source}$`, "s").test(line);
}

/** Rejects with file line, expectation and what came. */
export async function play(talker: Talker, steps: readonly Step[]): Promise<void> {
  let batch = "";
  for (const step of steps) {
    if (step.kind === "send") {
      batch += step.text;
      continue;
    }
    if (batch !== "") talker.send(batch);
    batch = "";
    const line = await talker.line();
    const right =
      step.text === "<close>" ? line === null : line !== null && matches(step.text, line);
    if (!right)
      throw new Error(`line ${step.line}: expected "${step.text}", got "${line ?? "<close>"}"`);
  }
}
