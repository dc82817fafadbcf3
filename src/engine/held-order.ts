// What one node may ask of another about a message that the other keeps, and the answer: JSON that travels through Redis and is
// checked on arrival. Written by cli/quarantine-nodes.ts, carried out by held-requests.ts.
import { isMailId } from "../sys/ids.ts";
import { isRequestName } from "../mailstore/request-notes.ts";

export type HeldOrder = {
  /** A UUID: the same order is carried out once, however often it arrives. */
  readonly request: string;
  readonly id: string;
  /** Who asks, and on which node: "command line (root) on mx2". */
  readonly by: string;
} & (
  | { readonly do: "show" }
  | { readonly do: "delete" }
  | {
      readonly do: "release";
      /** Empty: those who did not get the message. */
      readonly recipients: readonly string[];
      /** The postmaster means it, although it is a virus. */
      readonly virus: boolean;
    }
);

export interface HeldAnswer {
  /** All that was asked for was done. */
  readonly done: boolean;
  /** For the operator; text of strangers may be in it. */
  readonly lines: readonly string[];
  /** For show: the entry as JSON, and the message in base64 when it has at most MAX_SHOWN octets. */
  readonly entry?: string;
  readonly message?: string;
}

export const MAX_SHOWN: number = 1024 * 1024;
const MAX_ORDER = 256 * 1024;
const MAX_RECIPIENTS = 1_000;

/** The order in a text, or null when it is none. */
export function readOrder(text: string): HeldOrder | null {
  const value = text.length > MAX_ORDER ? null : objectIn(text);
  if (value === null) return null;
  const { request, id, by, recipients } = value;
  const what = value["do"];
  if (typeof request !== "string" || !isRequestName(request)) return null;
  if (typeof id !== "string" || !isMailId(id) || typeof by !== "string") return null;
  const common = { request, id, by: by.slice(0, 300) };
  if (what === "show" || what === "delete") return { ...common, do: what };
  if (what !== "release" || !isTexts(recipients) || recipients.length > MAX_RECIPIENTS) return null;
  return { ...common, do: what, recipients, virus: value["virus"] === true };
}

/** The answer in a text, or null when it is none. */
export function readAnswer(text: string): HeldAnswer | null {
  const value = objectIn(text);
  if (value === null) return null;
  const { done, lines, entry, message } = value;
  if (typeof done !== "boolean" || !isTexts(lines)) return null;
  return {
    done,
    lines,
    ...(typeof entry === "string" && { entry }),
    ...(typeof message === "string" && { message }),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Not JSON: not from a node of ours.
    return null;
  }
}
