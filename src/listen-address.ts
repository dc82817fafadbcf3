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
