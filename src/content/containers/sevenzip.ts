// 7z: the directory is read here, for its names and for what is encrypted; the octets come from libarchive.
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";
import type { Octets } from "./octets.ts";
import { paired, unlisted } from "./paired.ts";
import type { Listed } from "./paired.ts";
import { directoryOf } from "./sevenzip-header.ts";
import type { Directory } from "./sevenzip-header.ts";
import { sizeIn } from "./sevenzip-streams.ts";

export const sevenZip: Format = {
  name: "7z",
  kinds: ["7z"],
  async *members(file, report) {
    const directory = readable(file);
    if (directory === "encrypted") report.encrypted();
    else if (directory instanceof Broken) {
      // A directory in a form that only others write, or damaged: what libarchive makes of it.
      yield* unlisted(file);
      throw directory;
    } else if (directory !== null) yield* paired(file, listed(directory), report);
  },
};

function readable(file: Octets): ReturnType<typeof directoryOf> | Broken {
  try {
    return directoryOf(file);
  } catch (error) {
    return error instanceof Broken ? error : new Broken(String(error));
  }
}

/** The entries in their order; those with octets follow the order of the folders. */
function* listed(directory: Directory): Generator<Listed> {
  const folders = directory.folders[Symbol.iterator]();
  let folder = folders.next();
  let left = folder.value?.files ?? 0;
  let empty = 0;
  for (let i = 0; i < directory.count; i++) {
    const name = directory.nameAt(i);
    const names = name === null ? [] : [name];
    if (directory.isEmptyStream(i)) {
      if (name === null) throw new Broken("7z: fewer names than entries");
      yield { names, what: directory.isEmptyFile(empty++) ? "file" : "directory" };
      continue;
    }
    while (left === 0 && folder.done !== true) {
      folder = folders.next();
      left = folder.value?.files ?? 0;
    }
    if (folder.done === true && name === null) throw new Broken("7z: fewer entries than declared");
    const held = folder.value;
    const index = (held?.files ?? 0) - left;
    left--;
    if (held?.encrypted === true) yield { names, what: "file", encrypted: true };
    else yield { names, what: "file", size: held === undefined ? null : sizeIn(held, index) };
  }
}
