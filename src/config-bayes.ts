// The tables of postern.toml about what is learned: Bayes, and the folders of users that teach it. Part of config-schema.ts.
import { z } from "zod";
import { count, duration } from "./config-values.ts";
import { folderDirectory } from "./mailstore/folder-name.ts";

const folder = z.string().refine((name) => folderDirectory(name) !== null, "a folder name");

export const bayesTable = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        "Ask Bayes about each message that postern scores itself (rules BAYES_00 to BAYES_999), as soon as enough was learned",
      ),
    min_spam: count(200).describe("Spam that must be learned before Bayes is asked"),
    min_ham: count(200).describe("Ham that must be learned before Bayes is asked"),
    max_tokens: count(150_000, 10_000).describe(
      "Above this, tokens that were longest of no use are forgotten, a quarter at a time",
    ),
    remember: duration("180d").describe(
      "How long it is known that a message was learned: so long it is not learned twice, and can be forgotten again",
    ),
    autolearn: z
      .boolean()
      .default(false)
      .describe(
        "Learn by itself from messages that the other rules are sure about; off, since whoever gets one message past them would teach Bayes",
      ),
    autolearn_ham: z.number().default(0.1).describe("autolearn: ham is what scores less"),
    autolearn_spam: z
      .number()
      .min(6)
      .default(12)
      .describe(
        "autolearn: spam is what scores at least this, three points from header and body each",
      ),
  })
  .prefault({});

export const trainingTable = z
  .array(
    z.strictObject({
      mailboxes: z
        .array(
          z.string().regex(/^[^\s@]+@[^\s@]+$/, 'an address, or a pattern such as "*@example.org"'),
        )
        .min(1)
        .describe("Whose folders teach Bayes: addresses; * stands for any characters but @"),
      spam_folders: z
        .array(folder)
        .default([])
        .describe('Folders that users put missed spam into, such as "MissedSpam"'),
      ham_folders: z
        .array(folder)
        .default([])
        .describe("Folders that users put good mail into that was taken for spam"),
      junk_folder: folder
        .optional()
        .describe(
          "The folder for spam: what a user moves there, and does not bear X-Spam-Flag: YES, is spam; what leaves it for another folder than the trash is ham",
        ),
      trash_folders: z
        .array(folder)
        .default(["Trash", "Deleted Items", "Deleted Messages"])
        .describe("What is moved there from junk_folder teaches nothing"),
      every: duration("10m").describe("How often folders are looked at"),
      max_age: duration("14d").describe("Older files are left alone"),
      per_day: count(20).describe("Messages that one mailbox may teach a day"),
    }),
  )
  .default([]);
