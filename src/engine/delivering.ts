// The delivery listener: the same story as a filter's with nothing to judge and nothing to edit, so that two phases, reports of
// hidden refusals and the memory of retries hold there too. Built once by smtp-service.ts.
import type { Destination } from "../mail/destination.ts";
import { replyLine, tempfail } from "../mail/reply.ts";
import type { Log } from "../sys/log.ts";
import type { Metrics } from "../sys/metrics.ts";
import type { Fate, Policy } from "../verdict/policy.ts";
import type { AnswerMeans } from "./answer.ts";
import type { Bench } from "./judge.ts";
import type { Answered } from "./record.ts";

const NONE: readonly Fate[] = [];
const ACCEPT_ALL: Policy = {
  fates: {
    virus: NONE,
    banned: NONE,
    listed: NONE,
    unchecked: NONE,
    greylisted: NONE,
    spam: NONE,
    spammy: NONE,
    malformed: NONE,
  },
  unchecked: new Map(),
  tagLevel: null,
  tag2Level: Infinity,
  killLevel: Infinity,
  subjectTag: null,
};

/** Means that hand every message to `destination` as it came. */
export function delivering(
  common: Omit<AnswerMeans, "applying" | "record">,
  destination: Destination,
): AnswerMeans {
  return {
    ...common,
    bench: () => noChecks(common.bench()),
    applying: (_judgement, deadline) => ({
      destination,
      keep: async () => tempfail(451, "4.3.0", "nothing is kept here"),
      edits: () => [],
      addressed: (recipient) => recipient,
      deadline,
    }),
    record: (answered) => {
      recordDelivery(answered, common.recording.log);
      countDeliveries(answered, common.recording.metrics);
    },
  };
}

function noChecks(bench: Bench): Bench {
  return { rules: { ...bench.rules, policyOf: () => ACCEPT_ALL }, checks: [] };
}

/** Counts what the delivery agent answered, recipient by recipient. */
export function countDeliveries({ outcomes }: Answered, metrics: Metrics): void {
  for (const { reply, byNextHop } of outcomes)
    if (byNextHop) metrics.deliveries.inc({ result: reply.kind });
}

/** A line per recipient in the manner of delivery agents; the filter's grammar would count the message twice. */
function recordDelivery({ message, outcomes, elapsedMs }: Answered, log: Log): void {
  const { id, sender } = message.envelope;
  for (const { judged, reply } of outcomes) {
    log.info(
      `delivery: (${id}) from=<${sender?.raw ?? ""}>, to=<${judged.recipient.address.raw}>, size=${message.body.size}, delay=${Math.round(elapsedMs)} ms, status=${reply.kind} (${replyLine(reply)})`,
    );
  }
}
