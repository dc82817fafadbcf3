// Letters for teaching Bayes: three kinds with words of their own, every letter different, so that a few dozen of them are enough.
import { run, type Ran } from "./lab.ts";
import type { Postern } from "./postern.ts";

const WORDS = {
  casino:
    "roulette jackpot blackjack croupier winnings deposit gambler chips bonus slots bankroll dealer",
  pills:
    "tablets pharmacy dosage capsules prescription overnight discount remedy generic refill ointment vials",
  minutes:
    "agenda committee quorum secretary motion budget chairman seconded adjourned annual members treasurer",
} as const;

export type Kind = keyof typeof WORDS;

/** The text of the n-th letter of a kind: most of its words, in another order each time. Lines end in CRLF. */
export function words(kind: Kind, n: number): string {
  const own = WORDS[kind].split(" ");
  const turned = own.map((_, i) => own[(i * 5 + n) % own.length] ?? "");
  return `Dear reader,\r\n\r\n${turned.slice(0, 6).join(" ")}\r\n${turned.slice(4).join(" ")} ${n}\r\n`;
}

/** Part of what a message is known by: a letter is the same one whenever it is made. */
const DATE = new Date().toUTCString().replace("GMT", "+0000");

/** The n-th letter of a kind. */
export function lesson(kind: Kind, n: number): Buffer {
  return Buffer.from(
    `Message-ID: <lesson-${kind}-${n}@sender.example>\r\nDate: ${DATE}\r\nFrom: Ann Author <ann@sender.example>\r\nTo: user@example.com\r\nSubject: letter ${n}\r\n\r\n${words(kind, n)}`,
    "latin1",
  );
}

/** Numbers 0 to count - 1, for so many lessons. */
export const times = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => n);

/** `work` for each of them, four at once. */
export async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

/** Debian's spamc asking a port of this machine. */
export function spamc(port: number, args: readonly string[], input: Buffer): Promise<Ran> {
  return run("/usr/bin/spamc", ["-d", "127.0.0.1", "-p", String(port), ...args], { input });
}

/** What a running postern has learned: messages of either kind, and by mailbox. */
export async function learned(judge: Postern): Promise<{
  readonly spam: number;
  readonly ham: number;
  readonly mailboxes: readonly { readonly mailbox: string; readonly messages: number }[];
}> {
  const { stdout, stderr } = await judge.command("learn", "--dump", "--json");
  if (!stdout.startsWith("{")) throw new Error(`learn --dump: ${stderr}`);
  const { spam, ham, mailboxes } = JSON.parse(stdout) as Awaited<ReturnType<typeof learned>>;
  return { spam, ham, mailboxes };
}
