// One line of configuration for every way to run Redis:
//   redis://[user:password@]host[:6379][/db]     rediss:// with TLS     redis+unix:///path[?db=1]
//   redis+sentinel://[user:password@]host:26379,host:26379/name[/db]
//   redis+cluster://[user:password@]host:7000,host:7001
// rediss+sentinel:// and rediss+cluster:// are the same with TLS, to the sentinels too.
// Read by the configuration and by redis.ts. User and password may be percent-encoded.

export interface Node {
  readonly host: string;
  readonly port: number;
}

export interface Login {
  readonly username: string | null;
  readonly password: string | null;
}

export type RedisPlace = Login &
  (
    | { readonly kind: "single"; readonly node: Node; readonly tls: boolean; readonly db: number }
    | { readonly kind: "unix"; readonly path: string; readonly db: number }
    | {
        readonly kind: "sentinel";
        readonly nodes: readonly Node[];
        readonly name: string;
        readonly tls: boolean;
        readonly db: number;
      }
    | { readonly kind: "cluster"; readonly nodes: readonly Node[]; readonly tls: boolean }
  );

const URL_SHAPE =
  /^(rediss?|redis\+unix|rediss?\+sentinel|rediss?\+cluster):\/\/(?:([^@/]*)@)?([^/?]*)(\/[^?]*)?(?:\?db=(\d{1,4}))?$/;
const NODE = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

/** What the line means, or null when it is none of the forms above. */
export function redisPlace(text: string): RedisPlace | null {
  const match = URL_SHAPE.exec(text);
  if (match === null) return null;
  const [, scheme = "", login, authority = "", path = "", query = "0"] = match;
  const who = loginOf(login);
  if (who === null) return null;
  if (scheme === "redis+unix") {
    return authority === "" && path.length > 1
      ? { kind: "unix", path, db: Number(query), ...who }
      : null;
  }
  const tls = scheme.startsWith("rediss");
  const [, kind = "single"] = scheme.split("+");
  const nodes = authority
    .split(",")
    .map((node) => nodeOf(node, kind === "sentinel" ? 26379 : 6379));
  if (nodes.some((node) => node === null) || nodes.length === 0) return null;
  const good = nodes as Node[];
  const parts = path.split("/").filter((part) => part !== "");
  if (kind === "cluster") return parts.length === 0 ? { kind, nodes: good, tls, ...who } : null;
  if (kind === "sentinel") {
    const [name = "", db = "0", ...rest] = parts;
    if (name === "" || !/^\d{1,4}$/.test(db) || rest.length > 0) return null;
    return { kind, nodes: good, name, tls, db: Number(db), ...who };
  }
  const [db = "0", ...rest] = parts;
  const [node] = good;
  if (good.length !== 1 || node === undefined || !/^\d{1,4}$/.test(db) || rest.length > 0)
    return null;
  return { kind: "single", node, tls, db: Number(db), ...who };
}

function loginOf(text: string | undefined): Login | null {
  if (text === undefined || text === "") return { username: null, password: null };
  const [user = "", ...rest] = text.split(":");
  try {
    const password = decodeURIComponent(rest.join(":"));
    return {
      username: user === "" ? null : decodeURIComponent(user),
      password: password === "" ? null : password,
    };
  } catch {
    // A lone percent sign: not a URL.
    return null;
  }
}

function nodeOf(text: string, port: number): Node | null {
  const [, host, number] = NODE.exec(text) ?? [];
  if (host === undefined) return null;
  const chosen = number === undefined ? port : Number(number);
  return chosen > 0 && chosen < 65_536 ? { host: host.replace(/[[\]]/g, ""), port: chosen } : null;
}
