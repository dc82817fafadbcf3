// One round over the training folders of one mailbox: what lies in the folders for missed spam and for good mail is learned; so is what a
// user moved into the junk folder, or out of it; what a user moves back is forgotten. Every file is read once. Called by training.ts.
import { folderDirectory } from "./mailstore/folder-name.ts";
import {
  folderDirectories,
  listFolder,
  readFolderFile,
  type FolderFile,
} from "./mailstore/read-folder.ts";
import { MAX_LESSON, type Reading, type Teacher } from "./learning.ts";
import { MAX_FILED, type Filed, type FiledNotes } from "./state/filed.ts";
import type { Label, TokenStore } from "./state/token-store.ts";

export interface TrainingFolders {
  /** Names as users see them. */
  readonly spam: readonly string[];
  readonly ham: readonly string[];
  readonly junk: string | null;
  readonly trash: readonly string[];
  /** Milliseconds: older files are left alone. */
  readonly maxAge: number;
}

export type TrainingResult = "learned" | "relearned" | "forgotten" | "known" | "failed" | "capped";

export interface RoundMeans {
  readonly mailRoot: string;
  readonly teacher: Pick<Teacher, "read" | "teach" | "forget">;
  readonly tokens: Pick<TokenStore, "learned">;
  readonly filed: FiledNotes;
  /** Takes one of the lessons that this mailbox may give today; false when none is left. */
  readonly allowed: (address: string) => Promise<boolean>;
  readonly onResult: (result: TrainingResult) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Files that one round reads for the first time. */
const MAX_READ = 1000;
/** Messages that have left a folder and are looked for in one round, and files that are read to find them. */
const MAX_LEFT = 100;
const MAX_CANDIDATES = 300;

/** Rejects when a folder is not safe to read, after the others, or the store is down: the next round tries again. */
export async function trainingRound(
  address: string,
  mailbox: string,
  folders: TrainingFolders,
  means: RoundMeans,
): Promise<void> {
  const round = new Round(address, mailbox, folders, means);
  const errors: Error[] = [];
  const tried = (work: Promise<void>): Promise<unknown> =>
    work.catch((error: Error) => errors.push(error));
  for (const name of folders.spam) await tried(round.taught(name, "spam"));
  for (const name of folders.ham) await tried(round.taught(name, "ham"));
  if (folders.junk !== null) await tried(round.junk(folders.junk));
  if (errors[0] !== undefined) throw errors[0];
}

/** What lies in a folder, and what of it was there before. */
interface Seen {
  readonly folder: string;
  /** Those that nobody has looked at, the newest first. */
  readonly fresh: readonly FolderFile[];
  readonly left: readonly Filed[];
}

class Round {
  readonly #address: string;
  readonly #mailbox: string;
  readonly #folders: TrainingFolders;
  readonly #means: RoundMeans;
  /** Nothing more today. */
  #capped = false;
  #read = 0;

  constructor(address: string, mailbox: string, folders: TrainingFolders, means: RoundMeans) {
    this.#address = address;
    this.#mailbox = mailbox;
    this.#folders = folders;
    this.#means = means;
  }

  /** Learns what lies in a folder; what was moved from one for spam to where other mail lies was no spam. */
  async taught(name: string, label: Label): Promise<void> {
    const seen = await this.#look(name);
    if (seen === null) return;
    for (const file of seen.fresh)
      await this.#readOne(seen.folder, file, (reading) => this.#teach(reading, label));
    if (label === "spam")
      await this.#follow(seen, (reading) => this.#unteach(reading, label).then(() => true));
    else await this.#drop(seen.folder, seen.left);
  }

  /** Learns what came into the junk folder by a user's hand, and what left it. */
  async junk(name: string): Promise<void> {
    const seen = await this.#look(name);
    if (seen === null) return;
    for (const file of seen.fresh)
      await this.#readOne(seen.folder, file, async (reading) => {
        if (!reading.flagged) return this.#teach(reading, "spam");
        // The filter put it here; or it was taken out, and is here again.
        await this.#unteach(reading, "ham");
        return true;
      });
    await this.#follow(seen, (reading) => this.#teach(reading, "ham"));
  }

  get #over(): boolean {
    return this.#means.signal.aborted;
  }

  /** null without such a folder. Of one with more files than can be noted only the newest count. */
  async #look(name: string): Promise<Seen | null> {
    const folder = folderDirectory(name);
    const files = folder === null ? null : await this.#list(folder);
    if (folder === null || files === null) return null;
    const newest = [...files.values()].sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
    const watched = new Set(newest.slice(0, MAX_FILED).map((file) => file.name));
    const { filed, now } = this.#means;
    const noted = await filed.list(this.#place(folder), now());
    const unwatched = noted.filter((one) => files.has(one.name) && !watched.has(one.name));
    await this.#drop(folder, unwatched);
    const known = new Set(noted.map((one) => one.name));
    const oldest = now() - this.#folders.maxAge;
    return {
      folder,
      fresh: newest.filter(
        (file) =>
          watched.has(file.name) &&
          !known.has(file.name) &&
          (file.time === null || file.time > oldest),
      ),
      left: noted.filter((one) => !files.has(one.name)),
    };
  }

  /** By name; what a client is about to remove is not there any more. */
  async #list(folder: string): Promise<Map<string, FolderFile> | null> {
    const files = await listFolder(this.#means.mailRoot, this.#mailbox, folder);
    if (files === null) return null;
    return new Map(files.filter(({ removed }) => !removed).map((file) => [file.name, file]));
  }

  #place(folder: string): string {
    return `${this.#mailbox} ${folder}`;
  }

  async #note(folder: string, { name, size }: FolderFile, key: string): Promise<void> {
    const { filed, now } = this.#means;
    const keepMs = 2 * this.#folders.maxAge;
    await filed.note(this.#place(folder), [{ name, key, size: size ?? 0 }], keepMs, now());
  }

  async #drop(folder: string, notes: readonly Filed[]): Promise<void> {
    const names = notes.map(({ name }) => name);
    if (names.length > 0) await this.#means.filed.drop(this.#place(folder), names);
  }

  async #reading(folder: string, file: FolderFile): Promise<Reading | "gone" | null> {
    const { mailRoot, teacher, onResult } = this.#means;
    const octets = await readFolderFile(mailRoot, this.#mailbox, folder, file, MAX_LESSON);
    if (octets === null || octets === "gone") return octets;
    const reading = await teacher.read(octets);
    if (!("failed" in reading)) return reading;
    if (!this.#over) onResult("failed");
    return null;
  }

  /** Reads a file and does with it what `deed` says, once; again in the next round when that says false. */
  async #readOne(
    folder: string,
    file: FolderFile,
    deed: (reading: Reading) => Promise<boolean>,
  ): Promise<void> {
    if (this.#capped || this.#over || this.#read >= MAX_READ) return;
    this.#read++;
    const reading = await this.#reading(folder, file);
    // What is gone may only have another name by now: a client has marked it.
    if (this.#over || reading === "gone") return;
    if (reading !== null && !(await deed(reading))) return;
    await this.#note(folder, file, reading?.keys[0] ?? "");
  }

  /** False when the mailbox has taught enough today. */
  async #teach(reading: Reading, label: Label): Promise<boolean> {
    const { teacher, tokens, allowed, onResult, now } = this.#means;
    if ((await tokens.learned(reading.keys, now()))?.label === label) {
      onResult("known");
      return true;
    }
    if (!(await allowed(this.#address))) {
      this.#capped = true;
      onResult("capped");
      return false;
    }
    onResult(await teacher.teach(reading, { label, mailbox: this.#address }));
    return true;
  }

  /** Takes a lesson back that this mailbox gave; those of others stay. */
  async #unteach(reading: Reading, label: Label): Promise<void> {
    const { teacher, tokens, onResult, now } = this.#means;
    const known = await tokens.learned(reading.keys, now());
    if (known?.label !== label || known.mailbox !== this.#address) return;
    if ((await teacher.forget(reading)) !== null) onResult("forgotten");
  }

  /** Looks for messages that left a folder where other mail lies, among the files of the same size; `deed` as for #readOne(). */
  async #follow(
    { folder, left }: Seen,
    deed: (reading: Reading) => Promise<boolean>,
  ): Promise<void> {
    if (left.length === 0 || this.#capped || this.#over) return;
    const looked = left.slice(0, MAX_LEFT);
    const sizes = new Set(looked.map(({ size }) => size));
    const keys = new Set(looked.map(({ key }) => key));
    let candidates = 0;
    for await (const [elsewhere, file] of this.#otherMail(folder)) {
      if (!sizes.has(file.size ?? 0)) continue;
      if (this.#capped || this.#over) return;
      if (++candidates > MAX_CANDIDATES) break;
      const reading = await this.#reading(elsewhere, file);
      if (reading !== null && reading !== "gone" && keys.has(reading.keys[0] ?? ""))
        await deed(reading);
    }
    if (!this.#capped && !this.#over) await this.#drop(folder, looked);
  }

  /** All files of the mailbox but those in folders that teach something themselves, and in the trash. */
  async *#otherMail(folder: string): AsyncGenerator<readonly [string, FolderFile]> {
    const { trash, spam, ham, junk } = this.#folders;
    const others = [trash, spam, ham, junk ?? []].flat().map((name) => folderDirectory(name));
    const { mailRoot } = this.#means;
    for (const elsewhere of await folderDirectories(mailRoot, this.#mailbox))
      if (elsewhere !== folder && !others.includes(elsewhere))
        for (const file of (await this.#list(elsewhere))?.values() ?? []) yield [elsewhere, file];
  }
}
