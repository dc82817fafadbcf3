// Benches: `npm run bench -- NAME [options]`. Each starts what it measures on free loopback ports below a temporary directory,
// prints a Markdown table (or --json), and leaves nothing behind.
import { parseArgs } from "node:util";

const USAGE = `usage: npm run bench -- <name> [options]

  relay     small messages a second through postern, against no hop, amavisd-new and Haraka
            --sessions 10,50  --rounds 3  --seconds 6  --only direct,postern,amavisd-new,Haraka
            needs smtp-source and smtp-sink (postfix); amavisd-new needs root; Haraka: HARAKA_DIR
  crowd     a thousand connections at once through two workers
            --connections 1000  --seconds 6
            needs smtp-sink (postfix)
  large     many large messages in flight at once: digests, memory, event loop
            --count 50  --size 20 (MB each)  --workers 2
  content   messages a second with attachments and archives, with clamd and spamd, against amavisd-new
            --rounds 3  --seconds 6
            needs root; amavisd-new p7zip-full file, clamav-daemon and spamd from Debian
  greylist  what greylisting stops and delays, always against selective, in made-up worlds; always the same figures
  policy    policy decisions a second and p99, against postgrey, with SQLite and Redis
            --connections 8  --rounds 3  --seconds 6
            needs root; postgrey and redis-server from Debian
  delivery  durable deliveries a second into a Maildir, against Dovecot LMTP, on a fresh loop-mounted ext4
            --sessions 8,32  --rounds 3  --seconds 6
            needs root, smtp-source (postfix) and dovecot-lmtpd
  shared    what several nodes cost the Redis that they share: octets a record, commands a message; redis-server from Debian
  profile   the functions that took most time, from the CPU profiles in a directory: profile DIR…

  --json          figures as JSON instead of tables
  --profile DIR   postern's processes leave CPU profiles there (slower: do not compare the rates)
`;

const NUMBERS = { rounds: 3, seconds: 6, count: 50, size: 20, workers: 2 } as const;

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      sessions: { type: "string" },
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      profile: { type: "string" },
      connections: { type: "string" },
      ...mapped(NUMBERS),
    },
  });
  const number = (name: keyof typeof NUMBERS) => positive(name, values[name]);
  const shared = { json: values.json, profileDir: values.profile ?? null };
  const [name, ...rest] = positionals;
  switch (name) {
    case "relay": {
      const { relay } = await import("./relay.ts");
      const sessions = numbers("sessions", values.sessions ?? "10,50");
      const only = values.only.split(",").filter((text) => text !== "");
      return relay({
        ...shared,
        sessions,
        only,
        rounds: number("rounds"),
        seconds: number("seconds"),
      });
    }
    case "crowd": {
      const { crowdBench } = await import("./crowd.ts");
      const connections = positive("connections", values.connections ?? "1000");
      return crowdBench({ json: values.json, connections, seconds: number("seconds") });
    }
    case "large": {
      const { large } = await import("./large.ts");
      return large({
        ...shared,
        count: number("count"),
        megabytes: number("size"),
        workers: number("workers"),
      });
    }
    case "content": {
      const { content } = await import("./content.ts");
      return content({ json: values.json, rounds: number("rounds"), seconds: number("seconds") });
    }
    case "greylist": {
      const { greylistSimulation } = await import("./greylist-sim.ts");
      return greylistSimulation(shared);
    }
    case "policy": {
      const { policy } = await import("./policy.ts");
      return policy({
        ...shared,
        connections: positive("connections", values.connections ?? "8"),
        rounds: number("rounds"),
        seconds: number("seconds"),
      });
    }
    case "delivery": {
      const { delivery } = await import("./delivery.ts");
      const sessions = numbers("sessions", values.sessions ?? "8,32");
      const [rounds, seconds] = [number("rounds"), number("seconds")];
      return delivery({ json: values.json, sessions, rounds, seconds });
    }
    case "shared": {
      const { shared: sharedRedis } = await import("./shared.ts");
      return sharedRedis({ json: values.json });
    }
    case "profile": {
      const { profile } = await import("./profile.ts");
      return profile(rest);
    }
    default:
      process.stderr.write(USAGE);
      return name === undefined ? 0 : 2;
  }
}

function mapped(
  numbers: typeof NUMBERS,
): Record<keyof typeof NUMBERS, { type: "string"; default: string }> {
  const entries = Object.entries(numbers).map(([key, value]) => [
    key,
    { type: "string", default: String(value) },
  ]);
  return Object.fromEntries(entries) as Record<
    keyof typeof NUMBERS,
    { type: "string"; default: string }
  >;
}

const numbers = (name: string, text: string): number[] =>
  text.split(",").map((one) => positive(name, one));

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name}: ${JSON.stringify(text)} is not a positive whole number`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
