// Which peers this machine has. A suite whose peer is missing is skipped and says so, with the way to get it; where
// nothing may be skipped (CI) that is a failure.
import { accessSync, constants } from "node:fs";
import { spawnSync } from "node:child_process";

const PROGRAMS = {
  postfix: "/usr/sbin/postfix",
  exim: "/usr/sbin/exim4",
  dovecot: "/usr/sbin/dovecot",
  swaks: "/usr/bin/swaks",
  logwatch: "/usr/sbin/logwatch",
  promtool: "/usr/bin/promtool",
  prometheus: "/usr/bin/prometheus",
  strace: "/usr/bin/strace",
  rbldnsd: "/usr/sbin/rbldnsd",
  clamd: "/usr/sbin/clamd",
  clamdscan: "/usr/bin/clamdscan",
  spamd: "/usr/sbin/spamd",
  amavis: "/usr/sbin/amavisd",
  systemd: "/usr/bin/systemd-analyze",
} as const;

export type PeerName = keyof typeof PROGRAMS | "mail-dkim" | "root" | "users";

/** Whether all are here; else false after one line on standard error, or an error where CI is set. */
export function have(...names: readonly PeerName[]): boolean {
  const missing = names.filter((name) => !isHere(name));
  if (missing.length === 0) return true;
  const words = `real suite needs ${missing.join(", ")}: run test/real/lab/install.sh as root, and the suite as root`;
  if ((process.env["CI"] ?? "") !== "") throw new Error(words);
  console.error(`SKIPPED: ${words}`);
  return false;
}

function isHere(name: PeerName): boolean {
  if (name === "root") return process.getuid?.() === 0;
  if (name === "users")
    return ["postern", "vmail"].every((user) => spawnSync("id", [user]).status === 0);
  if (name === "mail-dkim")
    return spawnSync("perl", ["-MMail::DKIM::Signer", "-e", "1"]).status === 0;
  try {
    accessSync(PROGRAMS[name], constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not for us
  }
}
