// The [spam] table of postern.toml: who scores, and how the engine for SpamAssassin's rules works. Part of config-schema.ts.
import { z } from "zod";
import { count, duration, octets } from "./config-values.ts";

export const spamTable = z
  .strictObject({
    engine: z
      .enum(["native", "spamd", "both", "off"])
      .optional()
      .describe(
        "Who scores: postern itself by SpamAssassin's rules (native), the servers of [spamd] endpoints (spamd), both, one of them compared with the other that is served, or nobody (off); default: spamd where [spamd] endpoints are set, else native",
      ),
    serve: z
      .enum(["native", "spamd"])
      .default("spamd")
      .describe(
        "With both: whose answer counts; every difference of the other is logged and counted",
      ),
    rule_dirs: z
      .array(z.string())
      .optional()
      .describe(
        "Directories of SpamAssassin's rule files, the site's own last; default: those of sa-update or of the package, then /etc/spamassassin or /etc/mail/spamassassin, as far as they exist",
      ),
    local_tests_only: z
      .boolean()
      .optional()
      .describe(
        'Leave out rules that ask the network, as spamd -L does; default: false when [dns] servers names resolvers, true with "system"; always with "off". Rules for SPF, DKIM and DMARC take what [auth] verify found',
      ),
    language: z
      .string()
      .regex(/^[A-Za-z]{2,3}(?:_[A-Za-z]{2})?$/, 'a language, such as "de" or "pt_BR"')
      .default("en_US")
      .describe(
        "In which language rules are described and reports are written, as far as the rule files have it (their `lang` lines)",
      ),
    deadline: duration("10s").describe(
      "Time for the rules on one message, once a thread takes it, then what has hit so far counts (SPAM_PARTIAL); as long it may wait for a thread; at most 8/10 of limits.check_deadline",
    ),
    threads: count(1).describe("Threads that score, per worker; 64 more messages wait"),
    max_size: octets("500K").describe(
      "Of larger messages `oversize` says what is scored; [spamd] max_size counts where only spamd is asked",
    ),
    oversize: z
      .enum(["truncate", "skip"])
      .default("truncate")
      .describe(
        "truncate scores the header and the start of the body (SPAM_TRUNCATED), skip nothing (UNCHECKED_SPAM)",
      ),
  })
  .prefault({});
