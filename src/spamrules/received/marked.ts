// Readings for servers that sign their Received lines with a word of their own. Of the groups below the first whose word stands in the
// line is tried, and no other; a line that its group cannot read goes on to the general readings, with what was found so far.
import { IP_SOURCE } from "./addresses.ts";
import { dismisses, readWith, reads, type Draft, type Outcome, type Reading } from "./draft.ts";
import { EXIM } from "./exim.ts";

interface Group {
  readonly mark: (line: string) => boolean;
  readonly readings: readonly Reading[];
}

const has =
  (word: string): Group["mark"] =>
  (line) =>
    line.includes(word);

const unknownIsNone = (draft: Draft): void => {
  if (draft.rdns === "unknown") draft.rdns = "";
};

const EXCHANGE = / with (?:Microsoft SMTP Server|mapi id)(?= )/g;
const VERSION = /\d+\.\d+\.\d+\.\d+(?:$| )/y;

/** Its name, perhaps a remark in brackets, its version. */
const isExchange = (line: string): boolean => {
  let closed = 0;
  for (const found of line.matchAll(EXCHANGE)) {
    let at = found.index + found[0].length + 1;
    if (line[at] === "(") {
      if (closed < at) closed = line.indexOf(")", at);
      if (closed < 0) return false;
      if (closed === at + 1 || line[closed + 1] !== " ") continue;
      at = closed + 2;
    }
    VERSION.lastIndex = at;
    if (VERSION.test(line)) return true;
  }
  return false;
};

const GROUPS: readonly Group[] = [
  // Microsoft's IIS mailer, which looks no names up, and its pickup directory, which is no hop.
  {
    mark: has(" SMTPSVC"),
    readings: [
      reads("{helo*} ([{ip}]{/[^)]{0,40}/}) by {by} with Microsoft SMTPSVC"),
      dismisses("mail pickup service by {} with Microsoft SMTPSVC{$}"),
    ],
  },
  // Microsoft Exchange from 2007 on. Its id is a version.
  {
    mark: isExchange,
    readings: [
      reads("{helo} ({[}{ip}{/(?:%[A-Z0-9._~-]*)?/}{]}) by {by} ", {
        then: (draft) => {
          draft.id = "";
        },
      }),
    ],
  },
  // XMail, which writes ports.
  {
    mark: has("[XMail "),
    readings: [
      reads(
        `{helo} ({/(?<ip>\\[?${IP_SOURCE}\\]?)/}:{/\\d+/}) by {by}{/(?: \\([^ ]+\\))?/} with [XMail`,
        {
          then: (draft, line) => {
            draft.id = / id <([^ ]+)>/.exec(line)?.[1] ?? draft.id;
            draft.envfrom = / from <([^ ]+)>/.exec(line)?.[1] ?? draft.envfrom;
          },
        },
      ),
    ],
  },
  // Ecelerity, with ports too.
  {
    mark: (line) => line.includes("(ecelerity") && /\(ecelerity\b/.test(line),
    readings: [
      reads("([{ip}:{/\\d+/}] helo={helo}) by {by} "),
      reads("{} ([{ip}:{/\\d+/}]) by {by} "),
    ],
  },
  { mark: has("Exim"), readings: EXIM },
  // Postfix, as it is and as pobox.com had it.
  {
    mark: has(" (Postfix) with"),
    readings: [
      reads("{helo} ({rdns} [{ip}]) by {by} ", { lookedUp: true, then: unknownIsNone }),
      reads("{helo} ({rdns}[{ip}]) by {by} ", { lookedUp: true, then: unknownIsNone }),
    ],
  },
  // Scalix.
  { mark: has("(Scalix SMTP Relay"), readings: [reads("{helo} ({/ ?/}{ip}) by {by}")] },
  // Lotus Domino, which never writes the name it may have looked up.
  {
    mark: has(" (Lotus Domino "),
    readings: [reads("{helo} ([{ip}]) by {by} (Lotus", { lookedUp: false })],
  },
];

/** Reads a line by its server's word, if it has one of those. */
export const readMarked: Reading = (line, draft): Outcome => {
  const group = GROUPS.find((one) => one.mark(line));
  return group === undefined ? null : readWith(group.readings, line, draft);
};
