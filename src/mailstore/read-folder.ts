// Reads Maildir folders below mail_root for whoever learns from them: names, and single files. Paths are walked as directory.ts says: no
// link is followed, and only directories and files of the mail store's owner count.
import { constants, promises as fs } from "node:fs";
import { closeFile, hasCode, openFile, readSome, statFile } from "./descriptors.ts";
import { below, openBelow, openPath } from "./directory.ts";
import type { Directory } from "./directory.ts";
import { folderName, INBOX } from "./folder-name.ts";

export interface FolderFile {
  /** Without flags: it stays the same as long as the message is in this folder. */
  readonly name: string;
  readonly file: string;
  readonly sub: "cur" | "new";
  /** Octets, and milliseconds since 1970; null when the name does not say. */
  readonly size: number | null;
  readonly time: number | null;
  /** A client has marked it for removal. */
  readonly removed: boolean;
}

/** Files of a folder that are listed. */
const MAX_FILES = 100_000;

/** The directories of all folders of a mailbox, the inbox first; none without a mailbox. Throws UnsafeDirectory. */
export async function folderDirectories(mailRoot: string, mailbox: string): Promise<string[]> {
  const names = await inDirectory(mailRoot, mailbox.split("/"), (directory) =>
    fs.readdir(below(directory, "."), { withFileTypes: true }),
  );
  if (names === null) return [];
  const folders = names.filter((entry) => entry.isDirectory() && folderName(entry.name) !== null);
  return [INBOX, ...folders.map(({ name }) => name).sort()];
}

/** What lies in cur/ and new/ of a folder; null when there is no such folder. Throws UnsafeDirectory. */
export async function listFolder(
  mailRoot: string,
  mailbox: string,
  folder: string,
): Promise<FolderFile[] | null> {
  const files: FolderFile[] = [];
  for (const sub of ["cur", "new"] as const) {
    const names = await inDirectory(mailRoot, pathOf(mailbox, folder, sub), (directory) =>
      fs.readdir(below(directory, ".")),
    );
    if (names === null) return null;
    for (const file of names.slice(0, MAX_FILES - files.length))
      if (!file.startsWith(".")) files.push(fileOf(file, sub));
  }
  return files;
}

/**
 * The octets of a file; "gone" when it is not there under this name any more (its flags change the name, too); null when it is larger than
 * `most` octets, no regular file, not the owner's, or not ours to read. Throws UnsafeDirectory.
 */
export async function readFolderFile(
  mailRoot: string,
  mailbox: string,
  folder: string,
  { sub, file }: Pick<FolderFile, "sub" | "file">,
  most: number,
): Promise<Buffer | "gone" | null> {
  const octets = await inDirectory(
    mailRoot,
    pathOf(mailbox, folder, sub),
    async (directory, owner) => {
      let fd: number;
      try {
        const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
        fd = await openFile(below(directory, file), flags);
      } catch (error) {
        if (hasCode(error, "ENOENT")) return "gone";
        if (hasCode(error, "ELOOP", "ENXIO", "EACCES")) return "unfit";
        throw error;
      }
      try {
        const stats = await statFile(fd);
        if (!stats.isFile() || stats.uid !== owner || stats.size > most) return "unfit";
        const octets = Buffer.alloc(stats.size);
        return octets.subarray(0, await readSome(fd, octets));
      } finally {
        await closeFile(fd);
      }
    },
  );
  return octets === "unfit" ? null : (octets ?? "gone");
}

const pathOf = (mailbox: string, folder: string, sub: string): string[] => [
  ...mailbox.split("/"),
  ...(folder === INBOX ? [] : [folder]),
  sub,
];

async function inDirectory<T>(
  mailRoot: string,
  path: readonly string[],
  use: (directory: Directory, owner: number) => Promise<T>,
): Promise<T | null> {
  const opened = await openPath(mailRoot, path, openBelow);
  if (opened === null) return null;
  try {
    return await use(opened.directory, opened.owner.uid);
  } finally {
    await closeFile(opened.directory.fd);
  }
}

/** "1763740000.M1P2.host,S=1234,W=1250:2,FS". */
function fileOf(file: string, sub: "cur" | "new"): FolderFile {
  const colon = file.indexOf(":2,");
  const name = colon < 0 ? file : file.slice(0, colon);
  const size = /,S=(\d{1,12})(?:,|$)/.exec(name)?.[1];
  const seconds = /^(\d{9,11})\./.exec(name)?.[1];
  return {
    name,
    file,
    sub,
    size: size === undefined ? null : Number(size),
    time: seconds === undefined ? null : Number(seconds) * 1000,
    removed: colon >= 0 && file.slice(colon + 3).includes("T"),
  };
}
