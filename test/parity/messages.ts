// The messages of files and directories, for tools that compare: an mbox counts as many.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

export interface NamedMessage {
  /** The path; with "#1" and so on for the messages of an mbox. */
  readonly name: string;
  /** As it stands in the file. */
  readonly octets: Buffer;
}

/** One after the other, directories sorted; without `split` a file is one message, whatever it holds. A whole file is in memory. */
export async function* messagesIn(
  paths: readonly string[],
  split = true,
): AsyncGenerator<NamedMessage> {
  for (const path of paths) {
    if ((await stat(path)).isDirectory()) {
      const names = (await readdir(path)).sort();
      yield* messagesIn(
        names.map((name) => join(path, name)),
        split,
      );
      continue;
    }
    const octets = await readFile(path);
    const pieces = split ? splitMbox(octets) : [octets];
    if (pieces.length < 2) yield { name: path, octets };
    else
      for (const [i, piece] of pieces.entries()) yield { name: `${path}#${i + 1}`, octets: piece };
  }
}

/** Behind an empty line, a "From " line with a time in it starts a message; that line stays with it. */
export function splitMbox(octets: Buffer): Buffer[] {
  const text = octets.toString("latin1");
  if (!text.startsWith("From ")) return [octets];
  const starts = [...text.matchAll(/(?:^|\n\r?\n)(?=From \S+ [^\r\n]*\d\d:\d\d)/g)].map(
    (start) => start.index + start[0].length,
  );
  return starts.map((from, i) => octets.subarray(from, starts[i + 1] ?? octets.length));
}
