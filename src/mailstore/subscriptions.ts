// The `subscriptions` file of a Maildir: which folders a mail reader shows. Dovecot writes two forms: one directory name per
// line (v1), or a line "V\t2", an empty line, then components joined by tabs (v2). Called when a folder is made.
import { closeFile, readSome, renameFile, statFile, syncFile, writeAll } from "./descriptors.ts";
import { below, createPlain, openBelow, openPlain } from "./directory.ts";
import type { Directory, Owner } from "./directory.ts";

const FILE = "subscriptions";
/** More than this is no list of folders that we would rewrite. */
const MAX_FILE = 1024 * 1024;
const V2 = "V\t2\n\n";

/** Adds the folder of this directory name (".Lists.news"), once. A file of a form that we do not know stays as it is. */
export async function subscribe(
  root: Directory,
  owner: Owner,
  directory: string,
  nameOf: () => string,
): Promise<void> {
  const text = await readText(root);
  const updated = text === null ? null : withSubscription(text, directory);
  if (updated === null) return;
  const tmp = await openBelow(root, "tmp", owner);
  if (tmp === null) return;
  try {
    const name = nameOf();
    const fd = await createPlain(tmp, name, owner);
    try {
      await writeAll(fd, [Buffer.from(updated)]);
      await syncFile(fd);
    } finally {
      await closeFile(fd);
    }
    await renameFile(below(tmp, name), below(root, FILE));
  } finally {
    await closeFile(tmp.fd);
  }
}

/** The file's text with the folder in it; null when nothing is to change. Exported for its test. */
export function withSubscription(text: string, directory: string): string | null {
  const isV2 = text.startsWith("V\t");
  if (isV2 && !text.startsWith(V2)) return null;
  const name = directory.slice(1);
  // A new file is v2: components keep apart whatever separator the reader is configured with.
  const asV2 = isV2 || text === "";
  const line = asV2 ? name.replaceAll(".", "\t") : name;
  const known = text.split("\n");
  // v1 is written with the separator of the reader: "/" or ".".
  if (known.includes(line) || known.includes(name.replaceAll(".", "/"))) return null;
  const start = text === "" ? V2 : text.endsWith("\n") ? text : `${text}\n`;
  return `${start}${line}\n`;
}

async function readText(root: Directory): Promise<string | null> {
  const fd = await openPlain(root, FILE);
  if (fd === null) return "";
  try {
    const { size } = await statFile(fd);
    if (size > MAX_FILE) return null;
    const buffer = Buffer.allocUnsafe(size);
    return buffer.toString("latin1", 0, await readSome(fd, buffer));
  } finally {
    await closeFile(fd);
  }
}
