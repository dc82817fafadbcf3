// "127.0.0.1:10024", "[::1]:10024" and "unix:/path" taken apart.
import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";

export const hostOf = (listen: string): string =>
  listen.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
export const portOf = (listen: string): number => Number(/:(\d+)$/.exec(listen)?.[1] ?? "0");

/** For net.Server.listen. Throws when the directory of a socket cannot be written. */
export function whereOf(listen: string): { path: string } | { host: string; port: number } {
  if (!listen.startsWith("unix:")) return { host: hostOf(listen), port: portOf(listen) };
  const path = listen.slice(5);
  accessSync(dirname(path), constants.W_OK);
  return { path };
}

/** What a listener could not be opened for, in words that say what to do. */
export function listenTrouble(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const hint = code === undefined ? undefined : HINTS[code];
  return hint === undefined ? message : `${message}: ${hint}`;
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "another program has this address (ss -ltnp names it): stop it, or choose another one",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "the user of postern may not (ports below 1024 need CAP_NET_BIND_SERVICE)",
};
