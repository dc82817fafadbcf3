// A systemd unit of deploy/ without systemd: its user with all the groups of that user, its umask, its environment and its
// command line, from the unit file itself. The confinement is systemd's and is not here.
import { access, chown, constants, cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { deployed, must, ROOT, run } from "./lab.ts";

export type UnitName = "postern" | "postern-delivery";

export interface Unit {
  readonly user: string;
  /** Program and arguments that start it as its user. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** Reads the unit; /opt/postern becomes a place that its user may read, and its --config FILE becomes `configFile`. */
export async function unit(name: UnitName, dir: string, configFile: string): Promise<Unit> {
  const text = await deployed(`systemd/${name}.service`);
  const value = (key: string): string => {
    const found = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`${name}.service has no ${key}=`);
    return found;
  };
  const user = value("User");
  const program = await readableTo(user, dir);
  const command = value("ExecStart")
    .replaceAll("/opt/postern", program)
    .replace(/--config \S+/, `--config ${configFile}`)
    .split(" ");
  const identity = [`--reuid=${user}`, `--regid=${value("Group")}`, "--init-groups"];
  const shell = ["sh", "-c", `umask ${value("UMask")}; exec "$@"`, "sh"];
  const env = Object.fromEntries(
    [...text.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, key = "", said = ""]) => [key, said]),
  );
  return { user, argv: ["setpriv", ...identity, "--", ...shell, ...command], env };
}

/** Runs a program as a user, with the user's groups. */
export function as(user: string, ...command: readonly string[]): ReturnType<typeof run> {
  return run("setpriv", [`--reuid=${user}`, `--regid=${user}`, "--init-groups", "--", ...command]);
}

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** Numbers of a user and of the group of the same name. */
export async function idsOf(user: string): Promise<Ids> {
  const id = async (flag: string) => Number((await must("id", [flag, user])).stdout);
  return { uid: await id("-u"), gid: await id("-g") };
}

/** A directory that belongs to a user, as StateDirectory= makes it. */
export async function directoryOf(user: string, path: string, mode: number): Promise<void> {
  const { uid, gid } = await idsOf(user);
  await mkdir(path, { recursive: true, mode });
  await chown(path, uid, gid);
}

/** The checkout, or a copy of it in the lab where the user cannot read the checkout (a clone below /root). */
async function readableTo(user: string, dir: string): Promise<string> {
  const main = join(ROOT, "src/main.ts");
  const node = join(ROOT, "node_modules/.bin/node");
  const readable = await as(user, "sh", "-c", `test -r ${main} && ${node} --version`);
  if (readable.code === 0) return ROOT;
  const copy = join(dir, "opt");
  const there = await access(copy, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (there) return copy;
  for (const name of ["src", "rules", "package.json", "node_modules"]) {
    const to = join(copy, name);
    await mkdir(dirname(to), { recursive: true });
    await cp(join(ROOT, name), to, { recursive: true, verbatimSymlinks: true });
  }
  return copy;
}
