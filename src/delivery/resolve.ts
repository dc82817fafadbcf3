// From a recipient to the mailboxes and remote addresses behind it: `virtual` first, until nothing changes, then `aliases`,
// then users, in Postfix' search order (virtual(5), aliases(5)). Pure; asked at RCPT and again at delivery by local.ts.
import { parseAddress } from "../mail/address.ts";
import type { Address } from "../mail/address.ts";
import { reject, tempfail } from "../mail/reply.ts";
import type { Reply } from "../mail/reply.ts";
import type { User, Users } from "./users.ts";
import { aliasOf, splitExtension, virtualOf } from "./lookup.ts";
import { foldedKey } from "./table-file.ts";
import type { Entries } from "./table-file.ts";

/** Everything that decides where mail goes; one immutable snapshot. */
export interface Routes {
  /** Local domains, canonical. "localhost" is local to addresses that come out of a table, whether listed or not. */
  readonly domains: ReadonlySet<string>;
  /** Domain of a recipient without one, and of bare names in tables that nothing else fits; must be local. */
  readonly origin: string;
  readonly aliases: Entries;
  readonly virtual: Entries;
  /** Domains that the virtual file claims: `aliases` and users of localhost do not apply in them. */
  readonly virtualDomains: ReadonlySet<string>;
  readonly users: Users;
  readonly unknown: "refuse" | "create";
  /** Characters that start the folder part of a local part; "" = none. */
  readonly delimiters: string;
  /** Whether there is an [outgoing] for remote targets. */
  readonly outgoing: boolean;
  /** What to do with a recipient that is not local itself. */
  readonly nonLocal: "refuse" | "outgoing";
}

export type Target =
  | {
      readonly kind: "mailbox";
      /** The Maildir below mail_root. */
      readonly mailbox: string;
      /** Null: not in the table, made because unknown = create. */
      readonly user: User | null;
      /** What followed the delimiter, or null. */
      readonly folder: string | null;
      /** The final address, for Delivered-To. */
      readonly address: string;
      /** Envelope sender of an expansion with an owner-alias; absent: as it came. */
      readonly sender?: Address;
    }
  | { readonly kind: "remote"; readonly address: Address; readonly sender?: Address };

export type Resolution =
  | {
      readonly kind: "targets";
      /** At least one; no two alike. */
      readonly targets: readonly Target[];
      /** Addresses in tables that lead nowhere, for the operator. */
      readonly dangling: readonly string[];
    }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Targets of one recipient; more is taken for a mistake in the tables. */
export const MAX_RECIPIENT_TARGETS = 1000;
const MAX_STEPS = 10_000;
const MAX_DEPTH = 100;
/** What a mailbox made at first delivery may be called. */
const NEW_LOCAL = /^[a-z0-9][a-z0-9._=-]{0,63}$/;
const NEW_DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** Where mail for this recipient goes, or the reply that refuses it (RFC 5321 4.2.2, RFC 3463). */
export function resolve(recipient: Address, routes: Routes): Resolution {
  const { local } = recipient;
  if (local === "" || Buffer.byteLength(local) > 1024 || /[\x00-\x1f\x7f]/.test(local)) {
    return refusal(reject(550, "5.1.3", "Bad recipient address"));
  }
  const domain = recipient.domain === "" ? routes.origin : recipient.domain;
  if (!routes.domains.has(domain)) {
    if (routes.nonLocal === "refuse") {
      return refusal(reject(550, "5.7.1", "Not a local domain: relaying denied"));
    }
    if (!routes.outgoing) return refusal(NO_OUTGOING);
    return { kind: "targets", targets: [{ kind: "remote", address: recipient }], dangling: [] };
  }
  const walk = expansion(routes);
  expand(walk, { local, domain, depth: 0, path: [], direct: false });
  return outcome(walk);
}

const NO_OUTGOING = tempfail(451, "4.3.5", "Recipient is not local and no outgoing relay is set");

function refusal(reply: Reply): Resolution {
  return { kind: "refused", reply };
}

/** One address on its way through the tables. */
interface Step {
  readonly local: string;
  readonly domain: string;
  readonly depth: number;
  /** Addresses that this one came from, folded. */
  readonly path: readonly string[];
  /** No tables any more: the mailbox itself. */
  readonly direct: boolean;
  readonly sender?: Address;
}

interface Expansion {
  readonly routes: Routes;
  readonly targets: Map<string, Target>;
  readonly dangling: string[];
  /** Why the last address that leads nowhere does: the reply when nothing else is left. */
  failure: Reply | null;
  steps: number;
  overflow: boolean;
}

function expansion(routes: Routes): Expansion {
  return { routes, targets: new Map(), dangling: [], failure: null, steps: 0, overflow: false };
}

function outcome({ routes, targets, dangling, failure, overflow }: Expansion): Resolution {
  if (overflow) return refusal(tempfail(451, "4.3.5", "Aliases expand too far"));
  const found = [...targets.values()];
  if (found.length === 0) {
    return refusal(failure ?? reject(554, "5.4.6", "Aliases lead in a circle"));
  }
  if (!routes.outgoing && found.some(({ kind }) => kind === "remote")) return refusal(NO_OUTGOING);
  return { kind: "targets", targets: found, dangling };
}

function expand(walk: Expansion, step: Step): void {
  if (++walk.steps > MAX_STEPS || step.depth > MAX_DEPTH) walk.overflow = true;
  if (walk.overflow) return;
  const self = addressOf(step);
  // Back where it came from: a name in its own expansion means its mailbox.
  if (step.direct || step.path.includes(self)) return arrive(walk, step);
  const { routes } = walk;
  const bare = isNameSpace(routes, step.domain);
  const virtual = virtualOf(routes.virtual, step, bare, routes.delimiters);
  if (virtual !== null) return expandAll(walk, step, self, virtual);
  return expandAliases(walk, step, self, bare);
}

function expandAll(
  walk: Expansion,
  step: Step,
  self: string,
  results: readonly { readonly local: string; readonly domain: string | null; direct: boolean }[],
): void {
  for (const result of results) {
    const domain = result.domain ?? homeOf(walk.routes, result.local, step.domain);
    const next: Step = {
      ...step,
      local: result.local,
      domain,
      depth: step.depth + 1,
      path: [...step.path, self],
      direct: result.direct,
    };
    // virtual(5) ends at an identity; aliases(5) still apply to it.
    if (!result.direct && addressOf(next) === self) {
      expandAliases(walk, step, self, isNameSpace(walk.routes, step.domain));
    } else expand(walk, next);
  }
}

function expandAliases(walk: Expansion, step: Step, self: string, bare: boolean): void {
  const { routes } = walk;
  const alias = bare ? aliasOf(routes.aliases, step.local, routes.delimiters) : null;
  if (alias === null) return arrive(walk, step);
  const owner = alias.owner === null ? null : parseAddress(`${alias.owner}@${step.domain}`);
  const from = owner === null ? step : { ...step, sender: owner };
  for (const result of alias.results) {
    const domain = result.domain ?? homeOf(routes, result.local, step.domain);
    const next: Step = {
      ...from,
      local: result.local,
      domain,
      depth: step.depth + 1,
      path: [...step.path, self],
      direct: result.direct,
    };
    if (isSelf(next, step, routes.delimiters)) arrive(walk, { ...from, local: step.local });
    else expand(walk, next);
  }
}

/** "bob+x" in the expansion of "bob" is bob's own mailbox too. */
function isSelf(next: Step, step: Step, delimiters: string): boolean {
  const base = splitExtension(step.local, delimiters)?.base ?? step.local;
  return (
    next.domain === step.domain &&
    (foldedKey(next.local) === foldedKey(step.local) || foldedKey(next.local) === foldedKey(base))
  );
}

/** Aliases and bare keys hold where no virtual file claims the domain. */
function isNameSpace(routes: Routes, domain: string): boolean {
  return isLocal(routes, domain) && !routes.virtualDomains.has(domain);
}

function isLocal(routes: Routes, domain: string): boolean {
  return routes.domains.has(domain) || domain === "localhost";
}

/** Where a bare name of a table lives: in the domain at hand if it is somebody there, else at the origin or localhost. */
function homeOf(routes: Routes, local: string, domain: string): string {
  const name = foldedKey(local);
  const names = [name, splitExtension(name, routes.delimiters)?.base ?? name];
  const isKnown = (at: string): boolean =>
    names.some((n) => routes.users.has(`${n}@${at}`) || routes.virtual.has(`${n}@${at}`));
  const bare = isNameSpace(routes, domain);
  if (isKnown(domain) || (bare && names.some((n) => routes.aliases.has(n)))) return domain;
  return [routes.origin, "localhost"].find(isKnown) ?? (bare ? domain : routes.origin);
}

function addressOf({ local, domain }: Step): string {
  return `${foldedKey(local)}@${domain}`;
}

/** The end of the tables: a mailbox, a remote address, or nowhere. */
function arrive(walk: Expansion, step: Step): void {
  const { routes } = walk;
  if (!isLocal(routes, step.domain)) return arriveRemote(walk, step);
  const found = mailboxOf(routes, step);
  if (found.kind !== "mailbox") return fail(walk, step, found);
  add(walk, `${found.mailbox}\n${found.folder ?? ""}`, found, step.sender);
}

function arriveRemote(walk: Expansion, step: Step): void {
  const raw = rawAddress(step.local, step.domain);
  const address = parseAddress(raw);
  if (address === null) return fail(walk, step, reject(550, "5.1.3", "Bad address in an alias"));
  add(walk, `@ ${address.local}@${address.domain}`, { kind: "remote", address }, step.sender);
}

function add(walk: Expansion, key: string, target: Target, sender: Address | undefined): void {
  if (walk.targets.has(key)) return;
  if (walk.targets.size >= MAX_RECIPIENT_TARGETS) walk.overflow = true;
  else walk.targets.set(key, sender === undefined ? target : { ...target, sender });
}

function fail(walk: Expansion, step: Step, reply: Reply): void {
  walk.failure ??= reply;
  if (step.depth > 0 && walk.dangling.length < 100) walk.dangling.push(addressOf(step));
}

type MailboxTarget = Extract<Target, { kind: "mailbox" }>;

function mailboxOf(routes: Routes, { local, domain }: Step): MailboxTarget | Reply {
  const name = foldedKey(local);
  const split = splitExtension(local, routes.delimiters);
  const base = split === null ? name : foldedKey(split.base);
  const address = `${name}@${domain}`;
  const places = isNameSpace(routes, domain) ? [domain, "localhost"] : [domain];
  for (const at of places) {
    const whole = routes.users.get(`${name}@${at}`);
    if (whole !== undefined) {
      return { kind: "mailbox", mailbox: whole.mailbox, user: whole, folder: null, address };
    }
    const user = routes.users.get(`${base}@${at}`);
    if (user !== undefined && split !== null) {
      return {
        kind: "mailbox",
        mailbox: user.mailbox,
        user,
        folder: split.extension || null,
        address,
      };
    }
  }
  if (routes.unknown === "refuse") return reject(550, "5.1.1", "No such user here");
  if (!NEW_LOCAL.test(base) || base.includes("..") || !NEW_DOMAIN.test(domain)) {
    return reject(550, "5.1.3", "No mailbox can have this address");
  }
  const mailbox = `${domain}/${base}/Maildir`;
  return { kind: "mailbox", mailbox, user: null, folder: split?.extension || null, address };
}

/** An address in the form of RFC 5321: the local part in quotes where it needs them. */
export function rawAddress(local: string, domain: string): string {
  const plain = /^[^\s"(),:;<>@[\\\]\x00-\x1f\x7f]+$/.test(local);
  return `${plain ? local : `"${local.replace(/["\\]/g, "\\$&")}"`}@${domain}`;
}
