// The examples for several nodes: compose file, Kubernetes manifest, Containerfile. Read by a YAML parser, and held to what
// postern itself says: ports, paths, probes, the configuration inside.
import { spawnSync } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config.ts";
import { portOf } from "../../src/listen-address.ts";
import { lab, must, ROOT, type Lab } from "./lab/lab.ts";

const DEPLOY = join(ROOT, "deploy");
const READ = "import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
const missing =
  spawnSync("python3", ["-c", "import yaml"]).status === 0 ? null : "python3-yaml is not installed";
const title = (text: string): string => (missing === null ? text : `${text} (skipped: ${missing})`);

type Tree = Readonly<Record<string, unknown>>;

async function yaml(path: string): Promise<readonly Tree[]> {
  const { stdout } = await must("python3", ["-c", READ, join(DEPLOY, path)]);
  return JSON.parse(stdout) as Tree[];
}

/** What stands at "a.b.0.c", or undefined. */
function at(tree: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], tree);
}

const PORTS = { smtp: 10024, policy: 10023, http: 10090 };

describe.skipIf(missing !== null)(title("examples for several nodes"), () => {
  let room: Lab;
  beforeAll(async () => {
    room = await lab("deploy-nodes");
    await cp(join(ROOT, "rules"), join(room.dir, "rules"), { recursive: true });
  });
  afterAll(() => room.cleanUp());

  const config = (toml: string) => {
    const read = parseConfig(
      toml.replace(/^rules_dir = .*$/m, `rules_dir = "${room.dir}/rules"`),
      join(room.dir, "postern.toml"),
    );
    for (const { protocol, listen } of read.listener)
      expect(portOf(listen)).toBe(PORTS[protocol as keyof typeof PORTS]);
    expect(read.listener).toHaveLength(3);
    expect(read.redis.url).toBeDefined();
    return read;
  };

  test("compose: two nodes of one configuration, each with a state and a name of its own", async () => {
    const [file = {}] = await yaml("compose/compose.yaml");
    const read = config(await readFile(join(DEPLOY, "compose/postern.toml"), "utf8"));
    expect(read.redis.url).toBe("redis://redis:6379");
    const nodes = ["postern-1", "postern-2"].map((name) => at(file, `services.${name}`));
    expect(nodes.map((node) => at(node, "hostname"))).toEqual(["postern-1", "postern-2"]);
    const states = nodes.map((node) =>
      (at(node, "volumes") as string[]).find((volume) => volume.includes(":/var/lib/postern")),
    );
    expect(new Set(states).size).toBe(2);
    for (const state of states)
      expect(Object.keys(at(file, "volumes") as Tree)).toContain(state?.split(":")[0]);
    const published = nodes.flatMap((node) => at(node, "ports") as string[]);
    expect(new Set(published.map((port) => port.split(":")[1])).size).toBe(6);
    for (const port of published)
      expect(Object.values(PORTS)).toContain(Number(port.split(":")[2]));
    const context = join(DEPLOY, "compose", String(at(nodes[0], "build.context")));
    expect(existsSync(join(context, String(at(nodes[0], "build.dockerfile"))))).toBe(true);
  });

  test("Kubernetes: ports, probes, volumes and the configuration fit together", async () => {
    const all = await yaml("kubernetes/postern.yaml");
    const of = (kind: string): Tree[] => all.filter((one) => one["kind"] === kind);
    expect(all.map((one) => one["kind"])).toEqual([
      "Namespace",
      "ConfigMap",
      "Service",
      "Service",
      "StatefulSet",
      "PodDisruptionBudget",
    ]);
    const data = of("ConfigMap")[0]?.["data"] as Record<string, string>;
    const read = config(
      (data["postern.toml"] ?? "").replace("REDIS_URL", "rediss://u:p@redis:6380"),
    );
    const set = of("StatefulSet")[0];
    const pod = at(set, "spec.template.spec");
    const main = at(pod, "containers.0");
    const ports = at(main, "ports") as { name: string; containerPort: number }[];
    expect(ports.map(({ containerPort }) => containerPort)).toEqual(Object.values(PORTS));
    const probed = ["livenessProbe", "readinessProbe"].map((probe) => at(main, `${probe}.httpGet`));
    expect(probed).toEqual([
      { path: "/healthz", port: "http" },
      { path: "/readyz", port: "http" },
    ]);
    for (const service of of("Service")) {
      expect(at(service, "spec.selector")).toEqual(at(set, "spec.template.metadata.labels"));
      for (const { name, port } of at(service, "spec.ports") as { name: string; port: number }[])
        expect(ports).toContainEqual({ name, containerPort: port });
    }
    expect(of("Service").map((one) => at(one, "metadata.name"))).toContain(
      at(set, "spec.serviceName"),
    );
    const volumes = [
      ...(at(pod, "volumes") as { name: string }[]).map(({ name }) => name),
      ...(at(set, "spec.volumeClaimTemplates") as Tree[]).map((one) => at(one, "metadata.name")),
    ];
    const containers = [main, at(pod, "initContainers.0")];
    const mounts = containers.flatMap(
      (one) => at(one, "volumeMounts") as { name: string; mountPath: string }[],
    );
    for (const { name } of mounts) expect(volumes).toContain(name);
    // What postern.toml names is what is mounted.
    const paths = mounts.map(({ mountPath }) => mountPath);
    expect(paths).toContain(read.server.state_dir);
    expect(paths).toContain(/^rules_dir = "(.*)"$/m.exec(data["postern.toml"] ?? "")?.[1]);
    expect(paths).toContain(read.redis.ca?.replace(/\/[^/]*$/, ""));
    expect(at(pod, "terminationGracePeriodSeconds")).toBeGreaterThan(
      read.limits.stop_deadline / 1000,
    );
    expect(at(pod, "securityContext.runAsNonRoot")).toBe(true);
  });

  test("the Containerfile copies what there is, onto the Node that we need", async () => {
    const text = await readFile(join(DEPLOY, "Containerfile"), "utf8");
    expect(text).toMatch(/^FROM node:24/m);
    const copied = [...text.matchAll(/^COPY (.+) \S+$/gm)].flatMap(
      ([, from]) => from?.split(" ") ?? [],
    );
    expect(copied).toEqual(["package.json", "package-lock.json", "src", "rules"]);
    for (const name of copied) expect(existsSync(join(ROOT, name)), name).toBe(true);
    const ignored = (await readFile(join(ROOT, ".dockerignore"), "utf8")).split("\n");
    for (const name of copied) expect(ignored).not.toContain(name);
    const run = /^ENTRYPOINT (.*)\nCMD (.*)$/m.exec(text);
    expect(JSON.parse(run?.[1] ?? "")).toEqual(["node", "src/main.ts"]);
    expect(JSON.parse(run?.[2] ?? "")).toContain("/etc/postern/postern.toml");
    expect([...text.matchAll(/\d{5}/g)].map(([port]) => Number(port))).toEqual(
      expect.arrayContaining(Object.values(PORTS)),
    );
  });
});
