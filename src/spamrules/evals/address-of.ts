// The one address that eval functions mean when a field holds several: SpamAssassin's functions ask for the first, its header rules for all.
import type { Subject } from "../subject.ts";

/** Of "From:addr" and the like: the first, without a line end; "" without one. */
export const addressOf = (subject: Subject, field: `${string}:addr`): string =>
  subject.getAll(field)[0]?.replace(/\n$/, "") ?? "";
