// A mailstore in a temporary directory with a local destination over it, and what lies in its mailboxes.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseAliases } from "../../src/delivery/aliases.ts";
import { localDestination } from "../../src/delivery/local.ts";
import type { LocalDestination, LocalOptions } from "../../src/delivery/local.ts";
import type { Routes } from "../../src/delivery/resolve.ts";
import { parseUsers } from "../../src/delivery/users.ts";
import { parseVirtual } from "../../src/delivery/virtual.ts";
import { mailstore } from "../../src/mailstore/maildir.ts";
import type { Mailstore } from "../../src/mailstore/maildir.ts";

export interface RoutesText {
  readonly domains?: readonly string[];
  readonly aliases?: string;
  readonly virtual?: string;
  readonly users?: string;
  readonly unknown?: "refuse" | "create";
  readonly outgoing?: boolean;
  readonly nonLocal?: "refuse" | "outgoing";
}

/** Routes from the text of the files; throws on problems in them. */
export async function routesOf(text: RoutesText, mailRoot: string = "/mail"): Promise<Routes> {
  const aliases = parseAliases(text.aliases ?? "", "aliases");
  const virtual = parseVirtual(text.virtual ?? "", "virtual");
  const { users, problems } = await parseUsers(text.users ?? "", "users", mailRoot);
  const all = [...aliases.problems, ...virtual.problems, ...problems];
  if (all.length > 0) throw new Error(JSON.stringify(all));
  const domains = text.domains ?? ["example.test"];
  return {
    domains: new Set(domains),
    origin: domains[0] ?? "localhost",
    aliases: aliases.entries,
    virtual: virtual.entries,
    virtualDomains: virtual.domains,
    users,
    unknown: text.unknown ?? "refuse",
    delimiters: "+",
    outgoing: text.outgoing ?? false,
    nonLocal: text.nonLocal ?? "refuse",
  };
}

export interface Rig {
  readonly root: string;
  readonly mailRoot: string;
  readonly store: Mailstore;
  readonly destination: LocalDestination;
  readonly reports: string[];
  readonly alerts: Error[];
  /** Every file below mail_root, relative, sorted. */
  files(): Promise<readonly string[]>;
  /** The text of every message in new/ of a folder ("example.test/alice/Maildir"). */
  messages(folder: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Opens a rig. */
export async function rig(
  text: RoutesText = {},
  options: Partial<LocalOptions> = {},
): Promise<Rig> {
  const root = await mkdtemp(path.join(tmpdir(), "postern-delivery-"));
  const mailRoot = path.join(root, "mail");
  const alerts: Error[] = [];
  const reports: string[] = [];
  const alert = (error: Error): void => void alerts.push(error);
  const store = mailstore({ mailRoot, hostname: "mx.test", alert });
  await store.ready();
  const routes = await routesOf(
    { ...text, outgoing: (options.outgoing ?? null) !== null },
    mailRoot,
  );
  const destination = localDestination({
    store,
    routes: async () => routes,
    quota: null,
    folders: { create: "never", separator: "/" },
    outgoing: null,
    report: (line, error) => void reports.push(`${line} ${error?.message ?? ""}`.trim()),
    ...options,
  });
  return {
    root,
    mailRoot,
    store,
    destination,
    reports,
    alerts,
    files: () => filesBelow(mailRoot),
    messages: async (folder) => {
      const directory = path.join(mailRoot, folder, "new");
      const names = await readdir(directory).catch(() => []);
      return Promise.all(names.sort().map((name) => readFile(path.join(directory, name), "utf8")));
    },
    close: async () => {
      store.close();
      await rm(root, { recursive: true });
    },
  };
}

/** Every file below a directory, relative, sorted. */
export async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
}
