// Waits for postern's own engine. postern opens its listeners after a few seconds whether the rules are compiled or not, and a mail that
// comes sooner passes unscored: on a busy machine that happens. Called by suites whose first letter must be scored.
import { until } from "./lab.ts";

/** Resolves once the worker has compiled the rules, by the page of the http listener at this port. */
export async function rulesCompiled(httpPort: number): Promise<void> {
  await until(
    "the rules to be compiled",
    async () => {
      const page = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
      return /^postern_spam_rules [1-9]/m.test(page);
    },
    60_000,
  );
}
