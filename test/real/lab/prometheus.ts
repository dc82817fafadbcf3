// A real Prometheus with deploy/prometheus/scrape.yml and alerts.yml, made quick: it looks every second. Asked over its HTTP API.
import { spawn } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deployed, ROOT, until, type Peer } from "./lab.ts";
import { freePort } from "./ports.ts";

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds and the value as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus extends Peer {
  /** An instant query; throws with what Prometheus says about one that it does not understand. */
  query(expression: string): Promise<readonly Series[]>;
  /** Names of the alerts that are pending or firing. */
  alerts(): Promise<readonly string[]>;
}

/** Starts it on the /metrics page of this port; returns when the page was read. */
export async function prometheus(labDir: string, httpPort: number): Promise<Prometheus> {
  const dir = join(labDir, "prometheus");
  await mkdir(dir, { recursive: true });
  const target = `127.0.0.1:${httpPort}`;
  const scrape = await deployed("prometheus/scrape.yml", {
    "127.0.0.1:10090": target,
    "scrape_interval: 15s": "scrape_interval: 1s",
  });
  const global = "global:\n  evaluation_interval: 1s\nrule_files: [alerts.yml]\n";
  await cp(join(ROOT, "deploy/prometheus/alerts.yml"), join(dir, "alerts.yml"));
  await writeFile(join(dir, "prometheus.yml"), `${global}${scrape}`);
  const port = await freePort();
  const daemon = spawn(
    "/usr/bin/prometheus",
    [
      `--config.file=${join(dir, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(dir, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, GOMAXPROCS: "1" } },
  );
  let said = "";
  for (const stream of [daemon.stdout, daemon.stderr])
    stream.on("data", (piece: Buffer) => (said += piece.toString()));
  const ended = (): boolean => daemon.exitCode !== null || daemon.signalCode !== null;
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = (await response.json()) as { status: string; error?: string; data: unknown };
    if (answer.status !== "success") throw new Error(answer.error ?? "no answer");
    return answer.data;
  };
  const query = async (expression: string): Promise<readonly Series[]> =>
    ((await get(`query?query=${encodeURIComponent(expression)}`)) as { result: Series[] }).result;
  await until("prometheus", async () => {
    if (ended()) throw new Error(`prometheus ended:\n${said}`);
    const up = await query('up{job="postern"}').catch(() => []);
    return up[0]?.value[1] === "1";
  });
  return {
    query,
    async alerts() {
      const { alerts } = (await get("alerts")) as {
        alerts: { labels: Readonly<Record<string, string>> }[];
      };
      return [...new Set(alerts.map(({ labels }) => labels["alertname"] ?? ""))].sort();
    },
    async stop() {
      if (!ended()) daemon.kill("SIGKILL");
      await until("the end of prometheus", ended);
    },
  };
}
