// One round over the training folders of one mailbox: what lies in the folders for missed spam and for good mail is learned; so is what a
// user moved into the junk folder, or out of it. Every file is read once. Called by training.ts.
import { folderDirectory } from "./mailstore/folder-name.ts";
import {
  folderDirectories,
  listFolder,
  readFolderFile,
  type FolderFile,
} from "./mailstore/read-folder.ts";
import type { Reading, Teacher } from "./learning.ts";
import type { Filed, FiledNotes } from "./state/filed.ts";
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

export type TrainingResult = "learned" | "relearned" | "known" | "failed" | "capped";

export interface RoundMeans {
  readonly mailRoot: string;
  readonly teacher: Pick<Teacher, "read" | "teach">;
  readonly tokens: Pick<TokenStore, "learned">;
  readonly filed: FiledNotes;
  /** Takes one of the lessons that this mailbox may give today; false when none is left. */
  readonly allowed: (address: string) => Promise<boolean>;
  readonly onResult: (result: TrainingResult) => void;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Octets of a message; larger ones teach nothing. */
const MAX_MESSAGE = 8 * 1024 * 1024;
/** Messages that have left the junk folder and are looked for in one round, and files that are read to find them. */
const MAX_LEFT = 100;
const MAX_CANDIDATES = 300;

/** Rejects when the mailbox is not safe to read, or the store is down: the next round tries again. */
export async function trainingRound(
  address: string,
  mailbox: string,
  folders: TrainingFolders,
  means: RoundMeans,
): Promise<void> {
  const round = new Round(address, mailbox, folders, means);
  for (const name of folders.spam) await round.taught(name, "spam");
  for (const name of folders.ham) await round.taught(name, "ham");
  if (folders.junk !== null) await round.junk(folders.junk);
}

class Round {
  readonly #address: string;
  readonly #mailbox: string;
  readonly #folders: TrainingFolders;
  readonly #means: RoundMeans;
  /** Nothing more today. */
  #capped = false;

  constructor(address: string, mailbox: string, folders: TrainingFolders, means: RoundMeans) {
    this.#address = address;
    this.#mailbox = mailbox;
    this.#folders = folders;
    this.#means = means;
  }

  /** Learns what lies in a folder. */
  async taught(name: string, label: Label): Promise<void> {
    const folder = folderDirectory(name);
    const files = folder === null ? null : await this.#list(folder);
    if (folder === null || files === null) return;
    const noted = await this.#noted(folder);
    await this.#drop(
      folder,
      [...noted.keys()].filter((one) => !files.has(one)),
    );
    for (const file of files.values())
      if (!noted.has(file.name) && this.#isOfInterest(file))
        await this.#readOne(folder, file, () => label);
  }

  /** Learns what came into the junk folder by a user's hand, and what left it. */
  async junk(name: string): Promise<void> {
    const folder = folderDirectory(name);
    const files = folder === null ? null : await this.#list(folder);
    if (folder === null || files === null) return;
    const noted = await this.#noted(folder);
    for (const file of files.values())
      if (!noted.has(file.name) && this.#isOfInterest(file))
        await this.#readOne(folder, file, ({ flagged }) => (flagged ? null : "spam"));
    const left = [...noted.values()].filter((one) => !files.has(one.name));
    if (left.length === 0) return;
    const looked = left.slice(0, MAX_LEFT);
    await this.#rescued(folder, new Map(looked.map((one) => [one.key, one])));
    if (!this.#capped && !this.#over)
      await this.#drop(
        folder,
        looked.map((one) => one.name),
      );
  }

  get #over(): boolean {
    return this.#means.signal.aborted;
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

  async #noted(folder: string): Promise<Map<string, Filed>> {
    const { filed, now } = this.#means;
    const noted = await filed.list(this.#place(folder), now());
    return new Map(noted.map((one) => [one.name, one]));
  }

  async #note(folder: string, { name, size }: FolderFile, key: string): Promise<void> {
    const { filed, now } = this.#means;
    const keepMs = 2 * this.#folders.maxAge;
    await filed.note(this.#place(folder), [{ name, key, size: size ?? 0 }], keepMs, now());
  }

  async #drop(folder: string, names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#means.filed.drop(this.#place(folder), names);
  }

  #isOfInterest({ time }: FolderFile): boolean {
    if (this.#capped || this.#over) return false;
    return time === null || time > this.#means.now() - this.#folders.maxAge;
  }

  async #read(folder: string, file: FolderFile): Promise<Reading | null> {
    const { mailRoot, teacher, onResult } = this.#means;
    const octets = await readFolderFile(mailRoot, this.#mailbox, folder, file, MAX_MESSAGE);
    if (octets === null) return null;
    const reading = await teacher.read(octets);
    if (!("failed" in reading)) return reading;
    onResult("failed");
    return null;
  }

  async #readOne(
    folder: string,
    file: FolderFile,
    labelOf: (reading: Reading) => Label | null,
  ): Promise<void> {
    const reading = await this.#read(folder, file);
    if (this.#over) return;
    const label = reading === null ? null : labelOf(reading);
    if (reading !== null && label !== null && !(await this.#teach(reading, label))) return;
    await this.#note(folder, file, reading?.keys[0] ?? "");
  }

  /** False when the mailbox has taught enough today. */
  async #teach(reading: Reading, label: Label): Promise<boolean> {
    const { teacher, tokens, allowed, onResult, now } = this.#means;
    if ((await tokens.learned(reading.keys, now())) === label) {
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

  /** Looks for messages that left the junk folder among the files of the same size; what is found elsewhere is ham. */
  async #rescued(junk: string, left: ReadonlyMap<string, Filed>): Promise<void> {
    const { mailRoot } = this.#means;
    const others = [this.#folders.trash, this.#folders.spam, this.#folders.ham].flat();
    const elsewhere = new Set([junk, ...others.map((name) => folderDirectory(name))]);
    const sizes = new Set([...left.values()].map(({ size }) => size));
    let candidates = 0;
    for (const folder of await folderDirectories(mailRoot, this.#mailbox)) {
      if (elsewhere.has(folder)) continue;
      for (const file of (await this.#list(folder))?.values() ?? []) {
        if (!sizes.has(file.size ?? 0) || this.#capped || this.#over) continue;
        if (++candidates > MAX_CANDIDATES) return;
        const reading = await this.#read(folder, file);
        if (reading !== null && left.has(reading.keys[0] ?? "")) await this.#teach(reading, "ham");
      }
    }
  }
}
