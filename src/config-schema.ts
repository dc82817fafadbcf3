// The shape of postern.toml: every key with its default and one sentence (README's table is generated from here).
// Values are checked here; files are read and errors located in config.ts.
import { z } from "zod";
import {
  count,
  dnsServer,
  duration,
  endpoints,
  listen,
  network,
  octets,
  relay,
} from "./config-values.ts";
import { redisPlace } from "./state/redis-url.ts";
import { SUSPICIONS } from "./verdict/suspicion.ts";
import { heldTables } from "./config-held.ts";
import { bayesTable, trainingTable } from "./config-bayes.ts";
import { spamTable } from "./config-spam.ts";
import { folderDirectory } from "./mailstore/folder-name.ts";

export const listenerSchema = z.strictObject({
  protocol: z
    .enum(["smtp", "lmtp", "policy", "clamd", "spamd", "http"])
    .describe(
      "What is spoken here; an smtp listener answers LHLO as LMTP too; policy is Postfix's policy delegation; clamd answers INSTREAM with our verdict (Exim's malware condition); spamd answers spamc and Exim's spam condition",
    ),
  listen: listen.describe("host:port or unix:/path"),
  role: z
    .enum(["filter", "delivery", "links"])
    .default("filter")
    .describe(
      "filter judges and hands on; delivery writes into Maildirs without judging; links (protocol http) serves the release links of digests and nothing else",
    ),
  mode: z
    .enum(["after-queue", "before-queue"])
    .default("after-queue")
    .describe("How the MTA calls us: content_filter, or smtpd_proxy_filter and Exim's cutthrough"),
  origin: z
    .enum(["inbound", "outbound", "auto"])
    .default("auto")
    .describe(
      "Where mail on this listener comes from; auto asks [networks] and the MTA's Received line",
    ),
  client: z
    .enum(["xforward", "received"])
    .default("xforward")
    .describe(
      "Where the client's address is read: XFORWARD (Postfix) or the MTA's own Received line (Exim)",
    ),
  allow: z
    .array(network)
    .optional()
    .describe("Networks of peers that may connect; needed for an address that is not loopback"),
  socket_mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'an octal mode such as "0660"')
    .default("0660")
    .describe("Mode of a unix socket"),
  socket_group: z.string().optional().describe("Group of a unix socket"),
  next_hop: relay
    .optional()
    .describe("Where this listener hands mail, instead of [next_hop] relay"),
  greylist: z
    .boolean()
    .optional()
    .describe(
      "Whether a client may be told to come back at the end of DATA; default: on a before-queue filter, and nowhere else",
    ),
  allow_tell: z
    .boolean()
    .default(false)
    .describe("spamd: whether clients may teach Bayes (TELL, spamc --learntype)"),
});

export const schema = z.strictObject({
  server: z
    .strictObject({
      hostname: z
        .string()
        .regex(/^[A-Za-z0-9.-]+$/, "a host name")
        .optional()
        .describe("Our name in greetings and headers; default: the machine's"),
      node: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,200}$/, "a name of letters, digits, dots and hyphens")
        .optional()
        .describe(
          "What other nodes call this one when they share a Redis; unlike any other node's, and the same after a restart; default: hostname",
        ),
      state_dir: z.string().default("var").describe("Spool, state, quarantine and last good rules"),
      rules_dir: z
        .string()
        .optional()
        .describe(
          "The rule files; default: rules beside the file, else those that came with postern",
        ),
      workers: count(1).describe("Processes that judge mail"),
      worker_memory: octets("1G").describe(
        "Resident memory from which a worker is replaced by a new one; from half more it takes no mail (452 4.3.1), from twice it is killed",
      ),
      save_memory: z
        .boolean()
        .default(false)
        .describe(
          "Workers give back what they do not need at once: some 60 MiB less each, for up to a third more CPU; for machines with little memory",
        ),
      log_format: z
        .enum(["text", "json"])
        .default("text")
        .describe("text is amavis' grammar; json one object a line"),
      log_timings: z
        .boolean()
        .default(false)
        .describe(
          "A second line per message in the text log with every check's milliseconds, as amavis writes it; json always has them",
        ),
    })
    .prefault({}),
  listener: z.array(listenerSchema).optional(),
  networks: z
    .strictObject({
      internal: z
        .array(network)
        .default([])
        .describe("Clients that are our own users: their mail is outbound"),
      relays: z
        .array(network)
        .default([])
        .describe("Backup MX, fetchmail, forwarders: the hop before them is the client"),
      mta_names: z
        .array(z.string())
        .optional()
        .describe("Names our MTA gives itself after `by` in Received; default: server.hostname"),
    })
    .prefault({}),
  next_hop: z
    .strictObject({
      relay: relay.default("local").describe("local, or the MTA's port that does not filter again"),
      address_extension: z
        .string()
        .regex(/^[-+_=]?$/, 'one of "+", "-", "_", "=", or "" for none')
        .default("")
        .describe(
          'Delimiter with which folder="Junk" reaches an MTA as user+Junk@domain; only if that MTA splits addresses there',
        ),
    })
    .prefault({}),
  outgoing: z
    .strictObject({
      relay: relay
        .optional()
        .describe(
          "MTA port for DSNs, notices, releases and remote alias targets; default: [next_hop] relay when that is smtp",
        ),
    })
    .prefault({}),
  delivery: z
    .strictObject({
      domains: z
        .union([z.array(z.string()), z.string()])
        .optional()
        .describe("What local means everywhere: a list, or a file with one domain a line"),
      mail_root: z.string().optional().describe("Where mailboxes live; default: state_dir/mail"),
      users: z
        .string()
        .optional()
        .describe("Dovecot-compatible passwd-file; default: state_dir/users"),
      unknown: z
        .enum(["refuse", "create"])
        .optional()
        .describe(
          "What to do with a local address without a mailbox; refuse, but create when there is no configuration file",
        ),
      create_folders: z
        .union(
          [
            z.enum(["never", "always"]),
            z.array(z.string().refine((name) => folderDirectory(name) !== null, "a folder name")),
          ],
          '"never", "always" or folder names such as ["Junk"]',
        )
        .default("never")
        .describe("Whether user+folder@ may create a folder: never, always, or those in a list"),
      recipient_delimiter: z
        .string()
        .max(4)
        .default("+")
        .describe("Characters that start the folder part of an address"),
      quota: octets("0").describe(
        "Octets per mailbox unless the users file says otherwise; 0 = none",
      ),
    })
    .prefault({}),
  policy: z
    .strictObject({
      on_fail: z
        .enum(["dunno", "defer"])
        .default("dunno")
        .describe("What the MTA is told when a check could not answer: go on, or come back later"),
      budget: duration("4s").describe(
        "Time for one policy request, then on_fail; below the MTA's timeout=5s, or it hears nothing",
      ),
    })
    .prefault({}),
  auth: z
    .strictObject({
      verify: z
        .boolean()
        .optional()
        .describe(
          'Verify SPF, DKIM, DMARC and ARC of inbound mail; default: true when [dns] servers names resolvers, false with "system"',
        ),
    })
    .prefault({}),
  dkim: z
    .strictObject({
      keys: z
        .string()
        .optional()
        .describe("Directory of the keys that dkim.rules names; default: dkim beside the file"),
    })
    .prefault({}),
  greylist: z
    .strictObject({
      when: z
        .union(
          [z.literal("always"), z.array(z.enum(SUSPICIONS))],
          `"always", or a list of ${SUSPICIONS.map((name) => `"${name}"`).join(", ")}`,
        )
        .default([...SUSPICIONS])
        .describe(
          "What makes a stranger wait: always, or suspicions: dnsxl (listed), rdns (no name, or a forged one), generic (a dial-up's name), helo (odd), spf (fail), score (of the text, from score_from); [] = never",
        ),
      delay: duration("5m").describe("How long a stranger waits"),
      window: duration("2d").describe("How long after the first try it may come back"),
      lifetime: duration("35d").describe("How long it is remembered after its last mail"),
      auto_whitelist: count(5, 0).describe(
        "Accepted triplets (client, sender, recipient) after which a client waits no more; 0 = never",
      ),
      auto_whitelist_every: duration("1h").describe(
        "A client gains at most one accepted triplet in this time",
      ),
      score_from: z.number().default(3).describe("Score from which a message is suspicious"),
      score_to: z
        .number()
        .default(10)
        .describe("Score from which a message is no longer made to wait: it is stopped as spam"),
      shared_hosts: z
        .array(z.string())
        .default([])
        .describe(
          "More domains that name their customers' hosts: their names prove no organisation",
        ),
    })
    .prefault({}),
  redis: z
    .strictObject({
      url: z
        .string()
        .refine(
          (text) => redisPlace(text) !== null,
          '"redis://127.0.0.1:6379", "rediss://user:password@host", "redis+unix:///run/redis.sock", "redis+sentinel://a,b/name" or "redis+cluster://a:7000,b:7000" (rediss+… with TLS)',
        )
        .optional()
        .describe("Where hosts share what is remembered; default: SQLite in state_dir"),
      ca: z
        .string()
        .optional()
        .describe(
          "With rediss: PEM file of the authorities that Redis' certificate must come from; default: those that Node knows",
        ),
      prefix: z.string().max(100).default("postern:").describe("Put in front of every key"),
      timeout: duration("500ms").describe(
        "How long a question to the store may take (SQLite too), then mail goes on without it",
      ),
    })
    .prefault({}),
  ...heldTables,
  limits: z
    .strictObject({
      message_size: octets("100M").describe("Larger messages get 552 5.3.4"),
      in_flight: count(100).describe(
        "Messages between MAIL FROM and reply, per worker; more wait, then get 451 4.3.2; what clients of clamd and spamd listeners bring may be half of them, and of in_flight_bytes",
      ),
      in_flight_bytes: octets("1G").describe(
        "Octets of these messages, as announced by SIZE or come so far, per worker; more wait; a message that outgrows it beside others gets 452 4.3.1",
      ),
      min_free: octets("100M").describe(
        "What must stay free on the disk of state_dir (a tenth of a disk below 1000M), else 452 4.3.1 at MAIL and DATA",
      ),
      connections: count(2000).describe("Connections per listener and worker; more get 421 4.3.2"),
      recipients: count(1100).describe("Recipients of one message; more get 452 4.5.3"),
      received: count(100).describe("Received fields; more get 554 5.4.6 (a loop)"),
      header_size: octets("1M").describe("Octets of the header; the rest is UNCHECKED_LIMIT"),
      parts: count(10_000).describe("MIME parts that are looked at; more are UNCHECKED_LIMIT"),
      depth: count(100).describe(
        "Nesting of MIME parts that is looked at; more is UNCHECKED_LIMIT",
      ),
      archive_size: octets("300M").describe(
        "Octets that the members of all archives and documents of a message may come to, if that is less than 500 times its size (at least 5 times, and 100 KiB); more is UNCHECKED_ARCHIVE_LIMIT, as with the next four",
      ),
      archive_depth: count(14).describe("Archives within archives that are looked into"),
      archive_members: count(1500).describe("Members of all archives of a message"),
      archive_time: duration("10s").describe(
        "Time for all archives of a message; as long it may wait for a thread",
      ),
      archive_threads: count(2).describe(
        "Threads that look into archives, per worker; more messages wait, 64 of them",
      ),
      next_hop_connections: count(20).describe("Connections to one next hop, per worker"),
      budget_before_queue: duration("80s").describe(
        "Time for one message on a before-queue listener, then 451",
      ),
      budget_after_queue: duration("240s").describe("The same after-queue"),
      check_deadline: duration("30s").describe("Time for one check, then its UNCHECKED finding"),
      stop_deadline: duration("30s").describe("How long a stop waits for messages in flight"),
      bare_newlines: z
        .enum(["normalise", "refuse"])
        .default("normalise")
        .describe("Bare CR, bare LF and NUL in messages"),
    })
    .prefault({}),
  dns: z
    .strictObject({
      servers: z
        .union([z.enum(["system", "off"]), z.array(dnsServer).min(1).max(8)])
        .default("system")
        .describe(
          'Resolvers to ask, "system" for those of /etc/resolv.conf, "off" for none: then DNS lists and sender authentication are off',
        ),
      budget: duration("4s").describe(
        "Time for one name with all tries, and for all DNS lists of one message together",
      ),
      timeout: duration("1500ms").describe("Time for one try"),
      retries: count(2, 0).describe("Further tries, at the next resolver where there is one"),
      in_flight: count(256).describe("Questions on the wire at once, per worker; more wait"),
    })
    .prefault({}),
  clamd: z
    .strictObject({
      endpoints: endpoints('"unix:/run/clamav/clamd.ctl" or "tcp:127.0.0.1:3310"').describe(
        "The virus scanners: the first one that is up is asked, the next one when it fails; absent: mail is not scanned for viruses",
      ),
      deadline: duration("25s").describe(
        "Time for all scans of one message; below limits.check_deadline",
      ),
      in_flight: count(10).describe("Scans at once, per worker; more wait"),
      max_size: octets("25M").describe(
        "Larger messages are not sent; not above clamd's StreamMaxLength",
      ),
      oversize: z
        .enum(["unchecked", "skip"])
        .default("skip")
        .describe(
          "What a larger message is: skip (it goes on unscanned, noted, without X-Virus-Scanned), or unchecked (UNCHECKED_VIRUS, so policy decides: tempfail as shipped, which puts it off for ever)",
        ),
    })
    .prefault({}),
  spamd: z
    .strictObject({
      endpoints: endpoints('"unix:/run/spamd.sock" or "tcp:127.0.0.1:783"').describe(
        "The spam scorers: the first one is asked, the next one when it fails; [spam] engine says when they are",
      ),
      deadline: duration("25s").describe(
        "Time for one message, waiting for a place included; below limits.check_deadline",
      ),
      in_flight: count(5).describe(
        "Messages at spamd at once, per worker; more wait. All workers together not above its --max-children",
      ),
      max_size: octets("500K").describe("Of larger messages `oversize` says what is scored"),
      oversize: z
        .enum(["truncate", "skip"])
        .default("truncate")
        .describe(
          "truncate scores the header and the start of the body (SPAM_TRUNCATED), skip nothing (UNCHECKED_SPAM)",
        ),
      user: z
        .string()
        .regex(/^[\x21-\x7e]{0,320}$/, "a user name without spaces")
        .default("")
        .describe(
          'Whose preferences spamd uses: "" its own, "recipient" the recipient\'s when there is exactly one, else this user\'s',
        ),
    })
    .prefault({}),
  spam: spamTable,
  bayes: bayesTable,
  training: trainingTable,
  headers: z
    .strictObject({
      product: z
        .string()
        .regex(/^[\x20-\x7e]{1,100}$/)
        .default("postern")
        .describe("The name in Received and X-Virus-Scanned"),
    })
    .prefault({}),
});

export type ListenerConfig = z.output<typeof listenerSchema>;
export type ConfigFile = z.output<typeof schema>;
