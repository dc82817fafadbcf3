// Unix groups by name, from /etc/group (there is no getgrnam in Node).
import { readFileSync } from "node:fs";

/** The numeric id of a group, given by name or number; null when there is none of that name. */
export function groupId(name: string): number | null {
  if (/^\d+$/.test(name)) return Number(name);
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const id = line?.split(":")[2];
  return id === undefined ? null : Number(id);
}
