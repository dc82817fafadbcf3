// The delivery agent of a configuration: one mail store and one user table, seen by the filter (relay local) and by the
// delivery listener. Wired here for the worker and for commands that deliver.
import type { Config } from "./config.ts";
import type { AliasTables } from "./delivery/alias-source.ts";
import { localDestination, type LocalDestination } from "./delivery/local.ts";
import type { FolderPolicy } from "./delivery/mailbox.ts";
import { userTable } from "./delivery/users.ts";
import type { Destination } from "./mail/destination.ts";
import { mailstore } from "./mailstore/maildir.ts";
import { errorText } from "./ruleset/errors.ts";
import type { Log } from "./sys/log.ts";

export interface LocalDelivery {
  /** Recipients that are not ours go to [outgoing] when there is one. */
  readonly filter: LocalDestination;
  /** Recipients that are not ours are refused. */
  readonly delivery: LocalDestination;
  /** Makes mail_root. Rejects when it cannot be made or is not safe. */
  ready(): Promise<void>;
}

/** `tables` is asked for each message, so that a reload holds from the next one on. */
export function localDelivery(
  config: Config,
  tables: () => AliasTables,
  outgoing: Destination | null,
  log: Log,
): LocalDelivery {
  const { delivery, server } = config;
  const store = mailstore({
    mailRoot: delivery.mail_root,
    hostname: server.hostname,
    alert: (error) => log.error(`mail store: ${error.message}`),
  });
  const users = userTable({
    file: delivery.users,
    mailRoot: delivery.mail_root,
    report: (problems) => problems.forEach((problem) => log.error(errorText(problem))),
  });
  const domains = new Set(delivery.domains);
  const agent = (nonLocal: "refuse" | "outgoing"): LocalDestination =>
    localDestination({
      store,
      routes: async () => {
        const { aliases, virtual, virtualDomains } = tables();
        return {
          domains,
          origin: delivery.domains[0] ?? "localhost",
          aliases,
          virtual,
          virtualDomains,
          users: await users.current(),
          unknown: delivery.unknown,
          delimiters: delivery.recipient_delimiter,
          outgoing: outgoing !== null,
          nonLocal,
        };
      },
      quota: delivery.quota === 0 ? null : { octets: delivery.quota, messages: null },
      folders: folderPolicy(delivery.create_folders),
      outgoing,
      report: (text, error) =>
        log.error(`delivery: ${text}${error === undefined ? "" : `: ${error.message}`}`),
    });
  return {
    filter: agent(outgoing === null ? "refuse" : "outgoing"),
    delivery: agent("refuse"),
    ready: () => store.ready(),
  };
}

function folderPolicy(create: Config["delivery"]["create_folders"]): FolderPolicy {
  if (typeof create === "string") return { create, separator: "/" };
  return { create: "listed", listed: create, separator: "/" };
}
