// A kept copy that goes to a mailbox instead of the quarantine (`keep CATEGORY to=` in policy.rules): the message as it came, under the
// fields that the quarantine's copy has. The quarantine takes whatever the mailbox does not. Called by filtering.ts.
import { editedBody } from "../mail/edited.ts";
import type { Destination } from "../mail/destination.ts";
import { UNKNOWN_CLIENT, type Message, type Recipient } from "../mail/message.ts";
import { replyLine, type Reply } from "../mail/reply.ts";
import { keptLines, type QuarantineInput } from "../mailstore/quarantine-record.ts";
import type { Keeping } from "./apply.ts";
import { logAddress } from "./log-text.ts";

export interface MailboxWay {
  /** Does not judge again. */
  readonly destination: Destination;
  readonly recipient: Recipient;
  /** Folder of the mailbox, made where it is missing; null: the address says it all. */
  readonly folder: string | null;
  /** The address as policy.rules has it, for the log. */
  readonly name: string;
}

/** Prepares the copy; like every preparation it can be committed or aborted. Never rejects where `stored` does not. */
export async function keepInMailbox(
  message: Message,
  input: QuarantineInput,
  way: MailboxWay,
  stored: () => Promise<Keeping | Reply>,
  deadline: AbortSignal,
  warn: (text: string) => void,
): Promise<Keeping | Reply> {
  const instead = (reply: Reply | undefined): Promise<Keeping | Reply> => {
    const why = reply === undefined ? "no reply" : replyLine(reply);
    warn(
      `(${input.logId}) the copy for ${logAddress(way.name)} was not taken (${why}): it goes to the quarantine`,
    );
    return stored();
  };
  const lines = keptLines(input).map((line) => ({ do: "prepend", line }) as const);
  const prepared = await way.destination.prepare(
    {
      id: input.logId,
      mailId: input.mailId,
      // Nobody is to be told of a copy that cannot be delivered.
      sender: null,
      senderParams: input.senderParams.filter((param) => /^(?:BODY=|SMTPUTF8$)/i.test(param)),
      client: UNKNOWN_CLIENT,
      xforward: new Map(),
      body: editedBody(message.header, input.body, lines),
      folder: way.folder,
      // An alias must not lead it out of the house.
      tainted: true,
    },
    [way.recipient],
    deadline,
  );
  if (prepared.replies[0]?.kind !== "ok") return instead(prepared.replies[0]);
  let other: Keeping | null = null;
  return {
    get path() {
      return other?.path ?? way.name;
    },
    async commit() {
      const [reply] = await prepared.commit();
      if (reply?.kind === "ok") return reply;
      const kept = await instead(reply);
      if ("kind" in kept) return kept;
      other = kept;
      return kept.commit();
    },
    abort: () => prepared.abort(),
    // A mailbox gives nothing back: should the client bring the message again, there is a second copy.
    undo: async () => other?.undo(),
  };
}
