// One message on its way in: from the octets after 354 to a spool, within the size limit and the deadline. Whatever goes
// wrong is remembered and the rest read and thrown away, since a refusal may only be said after the end of data.
import { DataReader, type LineFaults } from "../mail/lines.ts";
import { reject, tempfail, type Reply } from "../mail/reply.ts";
import type { SpoolTap, SpoolWriter } from "../sys/spool.ts";
import type { Spool } from "../sys/spooled.ts";
import type { SmtpOptions } from "./smtp.ts";

export interface Incoming {
  /** When the whole of DATA must be there, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly faults: LineFaults;
  /** Index behind the end of data, or -1 when more must come; a promise when the spool needs time. Never rejects. */
  take(chunk: Buffer): number | Promise<number>;
  /** The reply to a message that the listener itself refuses; null while there is none. */
  refusal(): Reply | null;
  /** The whole message. Rejects when the spool failed; then refusal() says what to reply. */
  finish(): Promise<Spool>;
  /** Frees memory and file, whatever the state. Again is harmless. */
  dispose(): void;
}

/**
 * A fresh one for each DATA; `grew` is told what the message has come to and says whether there is room for it, `tap` sees the octets
 * of a large message while they arrive.
 */
export function incoming(
  options: SmtpOptions,
  grew: (octets: number) => boolean,
  tap?: SpoolTap,
): Incoming {
  return new Reception(options, grew, tap);
}

const NO_SPACE = tempfail(452, "4.3.1", "Insufficient system storage, try again later");

class Reception implements Incoming {
  readonly deadline: number;
  readonly faults: DataReader = new DataReader();
  readonly #options: SmtpOptions;
  readonly #grew: (octets: number) => boolean;
  readonly #writer: SpoolWriter;
  #spool: Spool | null = null;
  /** Too large, or not storable; what the text contains is judged when all of it is known. */
  #refusal: Reply | null = null;

  constructor(options: SmtpOptions, grew: (octets: number) => boolean, tap: SpoolTap | undefined) {
    this.#options = options;
    this.#grew = grew;
    this.#writer = options.spool.create(tap);
    this.deadline = Date.now() + options.dataMs;
  }

  take(chunk: Buffer): number | Promise<number> {
    const pieces: Buffer[] = [];
    const end = this.faults.feed(chunk, pieces);
    const { maxBytes } = this.#options;
    if (maxBytes > 0 && this.faults.size > maxBytes) {
      this.#refusal ??= reject(552, "5.3.4", "Message size exceeds the limit");
    } else if (this.#refusal === null && !this.#grew(this.faults.size)) this.#refusal = NO_SPACE;
    if (this.#refusal !== null || this.#unwanted()) {
      this.#writer.discard();
      return end;
    }
    const waits: Promise<void>[] = [];
    for (const piece of pieces) {
      const wait = this.#writer.write(piece);
      if (wait !== undefined) waits.push(wait);
    }
    if (waits.length === 0) return end;
    return Promise.all(waits).then(
      () => end,
      (error: unknown) => {
        this.#failed(error);
        return end;
      },
    );
  }

  refusal(): Reply | null {
    if (this.#refusal !== null || !this.#unwanted()) return this.#refusal;
    return reject(550, "5.5.2", `Message contains ${found(this.faults)}`);
  }

  async finish(): Promise<Spool> {
    try {
      this.#spool = await this.#writer.finish();
      return this.#spool;
    } catch (error) {
      this.#refusal = NO_SPACE;
      throw error;
    }
  }

  dispose(): void {
    this.#writer.discard();
    this.#spool?.dispose();
  }

  #unwanted(): boolean {
    return this.#options.lineEnds === "refuse" && this.faults.faulty;
  }

  #failed(error: unknown): void {
    this.#options.onError(error);
    this.#refusal ??= NO_SPACE;
    this.#writer.discard();
  }
}

function found(faults: LineFaults): string {
  const names: string[] = [];
  if (faults.bareCr > 0) names.push("bare <CR>");
  if (faults.bareLf > 0) names.push("bare <LF>");
  if (faults.nul > 0) names.push("NUL");
  return names.join(", ");
}
