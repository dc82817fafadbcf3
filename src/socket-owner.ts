// Mode and group of unix sockets, and the mask under which they are made. Used by supervisor and crew, who bind them.
import { chmodSync, chownSync } from "node:fs";
import { ConfigError } from "./config-error.ts";
import type { ListenerConfig } from "./config-schema.ts";
import { groupId } from "./sys/group.ts";

/** Mode and group of a unix socket as its listener says. Throws ConfigError for a group that does not exist. */
export function setSocketOwner(path: string, listener: ListenerConfig): void {
  if (listener.socket_group !== undefined) {
    const gid = groupId(listener.socket_group);
    if (gid === null)
      throw new ConfigError(`listener.socket_group: there is no group "${listener.socket_group}"`);
    chownSync(path, process.getuid?.() ?? 0, gid);
  }
  chmodSync(path, Number.parseInt(listener.socket_mode, 8));
}

/** A unix socket must never be open to more people than its mode says, not even before that is set. */
export class SocketMask {
  #holders = 0;
  /** The umask that this process was started with. */
  #usual = 0o077;

  /** Does the work under a mask that suits sockets; several at once may. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#holders++ === 0) this.#usual = process.umask(0o177);
    try {
      return await work();
    } finally {
      if (--this.#holders === 0) process.umask(this.#usual);
    }
  }

  /** Does the work under the usual mask: a child that is forked keeps the one of that moment, and makes directories. */
  without<T>(work: () => T): T {
    const now = process.umask(this.#usual);
    try {
      return work();
    } finally {
      process.umask(now);
    }
  }
}
