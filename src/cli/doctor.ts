// `postern doctor`: asks everything that postern depends on and says what is wrong and what to do. Changes nothing. Exit code 1
// when something is wrong.
import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { connect } from "node:net";
import { parseNextHop } from "../clients/next-hop.ts";
import { smtpDestination } from "../clients/smtp.ts";
import type { Config } from "../config.ts";
import { hostOf, portOf } from "../listen-address.ts";
import { compileAll } from "../rules-live.ts";
import { errorText } from "../ruleset/errors.ts";
import { readRules } from "../ruleset/source.ts";
import { clamdFindings } from "./doctor-clamd.ts";
import { dnsFindings } from "./doctor-dns.ts";
import { ok, warning, wrong, type Finding } from "./doctor-finding.ts";
import { redisFindings } from "./doctor-redis.ts";
import { spamdFindings } from "./doctor-spamd.ts";
import { sqliteFindings } from "./doctor-sqlite.ts";
import { aboutSpamRules } from "./spam-rules-about.ts";
import { parseCommand, UsageError } from "./options.ts";

export async function doctor(args: readonly string[]): Promise<number> {
  const { config, positionals } = parseCommand(args, {});
  if (positionals.length > 0) throw new UsageError(`doctor takes no "${positionals[0] ?? ""}"`);
  let sick = false;
  for (const ask of ASKS) {
    for (const finding of await ask(config)) {
      sick ||= finding.level === "wrong";
      process.stdout.write(`${finding.level.padEnd(7)}  ${finding.text}\n`);
    }
  }
  return sick ? 1 : 0;
}

const ASKS: readonly ((config: Config) => Promise<Finding[]>)[] = [
  rules,
  spamRules,
  directories,
  space,
  sqliteFindings,
  redisFindings,
  listeners,
  nextHops,
  dnsFindings,
  clamdFindings,
  spamdFindings,
  settings,
];

async function rules(config: Config): Promise<Finding[]> {
  const source = await readRules(config.server.rules_dir);
  const compiled = "errors" in source ? source : compileAll(source.ok, config);
  if ("errors" in compiled) return compiled.errors.map((error) => wrong(errorText(error)));
  return [
    ok(`rules ${compiled.ok.version} in ${config.server.rules_dir} compile`),
    ...compiled.warnings.map((w) => warning(errorText(w))),
  ];
}

async function spamRules(config: Config): Promise<Finding[]> {
  const { engine } = config.spam;
  if (engine !== "native" && engine !== "both") return [];
  const source = await readRules(config.server.rules_dir);
  // What is wrong with the rule files has been told.
  if ("errors" in source) return [];
  const about = await aboutSpamRules(config, source.ok);
  if (about === null)
    return [
      wrong(
        "there are no spam rules: install SpamAssassin's (sa-update), or name [spam] rule_dirs",
      ),
    ];
  return [
    ...about.errors.map((error) =>
      wrong(`${errorText(error)}: a running postern keeps its old spam rules until that is mended`),
    ),
    ok(`${about.text}, ${about.warnings.length} warnings (postern rules check names them)`),
  ];
}

async function directories(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [name, dir] of [
    ["state_dir", config.server.state_dir],
    ["quarantine.dir", config.quarantine.dir],
  ] as const) {
    try {
      await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
      const { mode } = await stat(dir);
      found.push(
        (mode & 0o022) === 0
          ? ok(`${name} ${dir} is there and ours`)
          : wrong(`${name} ${dir} may be written by others: chmod go-w ${dir}`),
      );
    } catch (error) {
      found.push(
        warning(`${name} ${dir}: ${(error as Error).message} (it is made at the first start)`),
      );
    }
  }
  return found;
}

async function space(config: Config): Promise<Finding[]> {
  try {
    const fs = await statfs(config.server.state_dir);
    const free = fs.bavail * fs.bsize;
    const needed = config.limits.message_size * 10;
    const text = `${Math.round(free / 1024 ** 2)} MiB free for spool and state`;
    return [
      free < needed
        ? wrong(`${text}: less than ten messages of the largest size; make room`)
        : ok(text),
    ];
  } catch {
    // Not made yet; directories() has said so.
    return [];
  }
}

async function listeners(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { listen, protocol, role } of config.listener) {
    const greeting = await greetingOf(listen, FIRST_WORDS[protocol]);
    const what = `${listen} (${protocol}${FIRST_WORDS[protocol] === "" ? `, ${role}` : ""})`;
    found.push(
      greeting === null
        ? wrong(`${what} does not answer: is postern running? postern serve`)
        : ok(`${what} answers: ${greeting}`),
    );
  }
  return found;
}

/** What a client says first, where it has the first word. */
const FIRST_WORDS: Readonly<Record<Config["listener"][number]["protocol"], string>> = {
  smtp: "",
  lmtp: "",
  http: "GET /readyz HTTP/1.0\r\n\r\n",
  clamd: "zPING\0",
  spamd: "PING SPAMC/1.2\r\n",
  policy: "request=smtpd_access_policy\nprotocol_state=CONNECT\n\n",
};

/** The first line a server says (for HTTP its status line), or null within 3 s. */
function greetingOf(listen: string, first: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = listen.startsWith("unix:")
      ? connect(listen.slice(5))
      : connect(portOf(listen), hostOf(listen));
    const done = (text: string | null): void => {
      socket.destroy();
      resolve(text === null ? null : text.slice(0, 100).replace(/[^\x20-\x7e]/g, ""));
    };
    socket.setTimeout(3000, () => done(null));
    socket.on("error", () => done(null));
    socket.on("connect", () => first !== "" && socket.write(first));
    socket.on("data", (data: Buffer) => done(data.toString("latin1").split(/\r?\n/)[0] ?? ""));
    socket.on("end", () => done(null));
  });
}

async function nextHops(config: Config): Promise<Finding[]> {
  const relays = new Set([
    config.next_hop.relay,
    config.outgoing.relay ?? "local",
    ...config.listener.map((l) => l.next_hop ?? "local"),
  ]);
  relays.delete("local");
  const found: Finding[] = [];
  for (const relay of relays) {
    const nextHop = parseNextHop(relay);
    if (nextHop === null) continue;
    const client = smtpDestination({ nextHop, hostname: config.server.hostname });
    const probe = await client.probe(AbortSignal.timeout(5000));
    await client.close();
    if (!probe.reachable) {
      found.push(
        wrong(`next hop ${relay}: ${probe.detail}: mail waits in the MTA until it answers`),
      );
      continue;
    }
    found.push(
      ok(`next hop ${relay} answers: ${probe.extensions.join(", ")}`),
      ...sizeFinding(relay, probe.extensions, config),
    );
  }
  return found;
}

function sizeFinding(relay: string, extensions: readonly string[], config: Config): Finding[] {
  const size = Number(
    /^SIZE (\d+)$/i.exec(extensions.find((line) => /^size /i.test(line)) ?? "")?.[1] ?? "0",
  );
  if (size === 0 || size >= config.limits.message_size) return [];
  return [
    warning(
      `next hop ${relay} takes ${size} octets, limits.message_size is ${config.limits.message_size}: larger mail is accepted and then refused; set message_size = ${size}`,
    ),
  ];
}

async function settings(config: Config): Promise<Finding[]> {
  const found: Finding[] = [];
  const filters = config.listener.filter(
    (l) => (l.protocol === "smtp" || l.protocol === "lmtp") && l.role === "filter",
  );
  if (config.delivery.domains.length === 0) {
    found.push(
      warning(
        "delivery.domains is empty: every recipient counts as ours; list your domains so that outbound mail is told apart",
      ),
    );
  }
  if (config.outgoing.relay === null && filters.length > 0) {
    found.push(
      warning(
        "[outgoing] relay is not set: non-delivery reports and mail to other domains cannot be sent",
      ),
    );
  }
  if (filters.some((l) => l.client === "xforward") && config.networks.internal.length === 0) {
    found.push(
      warning(
        "networks.internal is empty: mail of your own users is told apart only by login or sendmail; list their networks",
      ),
    );
  }
  return found;
}
