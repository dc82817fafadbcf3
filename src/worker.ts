// A worker process: gets configuration and rules from the supervisor, runs the app, and ends when it is told to or when the
// supervisor is gone.
import { startApp, type App } from "./app.ts";
import type { FromWorker, MetricsJson, ToWorker } from "./process-messages.ts";
import { processLog, type Log } from "./sys/log.ts";
import { watchEventLoop } from "./sys/event-loop.ts";
import { metrics, type Metrics } from "./sys/metrics.ts";
import { warmUp } from "./warm-up.ts";

/** Runs until the process ends. */
export async function work(): Promise<void> {
  const loop = watchEventLoop();
  const meters = metrics(loop);
  /** The end of the start. */
  let starting: Promise<App | null> = Promise.resolve(null);
  let log: Log | null = null;
  // Signals of a terminal or a service manager reach the whole group: only the supervisor acts on them.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"]) process.on(signal, () => {});
  process.on("disconnect", () => process.exit(1));
  process.on("message", (message: ToWorker) => {
    switch (message.kind) {
      case "start":
        log = processLog(message.config.server.log_format);
        starting = start(message, log, meters).then((app) => {
          // Loading and compiling held the loop up while no mail was there to wait for it.
          loop.reset();
          return app;
        });
        break;
      case "rules":
        void starting
          .then((app) => app?.use(new Map(message.rules), message.spam))
          .catch((error: unknown) => {
            // The supervisor compiled the same text: this cannot happen, and if it does the old rules stay in force.
            log?.error(`rules were not taken: ${(error as Error).message}`);
          });
        break;
      case "metrics":
        void json(meters).then((values) =>
          say({ kind: "metrics", id: message.id, metrics: values }),
        );
        break;
      case "stop":
        void stop(starting, message, log, meters);
        break;
      default:
        message satisfies never;
    }
  });
  say({ kind: "hello" });
}

async function start(
  message: ToWorker & { kind: "start" },
  log: Log,
  meters: Metrics,
): Promise<App | null> {
  try {
    await warmUp(message.config).catch((error: unknown) => {
      log.warn(
        `warm-up: ${(error as Error).message}: the first mail waits for what it would have loaded`,
      );
    });
    const { config, rules, spam } = message;
    const app = await startApp(config, new Map(rules), log, meters, spam);
    say({ kind: "ready", listening: app.listening, skipped: app.skipped });
    return app;
  } catch (error) {
    say({ kind: "failed", text: (error as Error).message, exitCode: 1 });
    return null;
  }
}

async function stop(
  starting: Promise<App | null>,
  { graceMs, firstMs }: ToWorker & { kind: "stop" },
  log: Log | null,
  meters: Metrics,
): Promise<void> {
  await (await starting)?.stop(graceMs, firstMs);
  log?.flush();
  const words: FromWorker = { kind: "stopped", metrics: await json(meters) };
  process.send?.(words, () => process.exit(0));
}

async function json(meters: Metrics): Promise<MetricsJson> {
  return await meters.registry.getMetricsAsJSON();
}

function say(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => {});
}
