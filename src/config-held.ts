// The tables of postern.toml about what is kept: the quarantine, its release links, its digests, the history. Part of config-schema.ts.
import { z } from "zod";
import { count, duration, octets } from "./config-values.ts";

export const heldTables = {
  quarantine: z
    .strictObject({
      dir: z.string().optional().describe("Default: state_dir/quarantine"),
      max_age: duration("30d").describe("Older copies are removed by themselves"),
      max_size: octets("5G").describe("Above this the oldest copies are removed"),
    })
    .prefault({}),
  history: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe("Keeps who, what and why of each message (no body) in state_dir/history.db"),
      max_age: duration("30d").describe("Older messages are forgotten"),
      max_size: octets("1G").describe("Above this the oldest are forgotten"),
    })
    .prefault({}),
  links: z
    .strictObject({
      url: z
        .string()
        .regex(
          /^https?:\/\/[A-Za-z0-9.:[\]_-]+(\/[A-Za-z0-9._~/-]*)?$/,
          'a URL such as "https://mail.example.org/held"',
        )
        .optional()
        .describe(
          "Where users reach the listener with role links; absent: digests have no release links",
        ),
      valid: duration("7d").describe("How long a release link holds"),
      categories: z
        .array(z.enum(["spam", "badh", "listed", "unchecked", "greylisted"]))
        .default(["spam", "badh", "listed"])
        .describe(
          "What recipients may release themselves, as the quarantine calls it; a virus or a banned file never",
        ),
      per_minute: count(60).describe("Requests a minute of one client, per worker; more get 429"),
    })
    .prefault({}),
  digest: z
    .strictObject({
      enabled: z
        .boolean()
        .default(false)
        .describe("Tells recipients once a day, by mail, which messages to them were held"),
      at: z
        .string()
        .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'a time of day such as "07:00"')
        .default("07:00")
        .describe("When, in the machine's time zone; it tells of the day before that moment"),
      recipients: z
        .array(z.string().regex(/^[^\s@]*@[^\s@]+$/, 'an address or "@domain"'))
        .optional()
        .describe("Who gets one: addresses or @domains; default: every local recipient"),
      max_messages: count(100).describe("Messages that one digest names; more are counted"),
    })
    .prefault({}),
};
