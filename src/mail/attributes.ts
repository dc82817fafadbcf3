// What can be said of a part apart from its names and types: amavis' A keys, and what a document can do. Found by content/,
// named by banned.rules.

/** By name, upper case, letters only. */
export const ATTRIBUTES = {
  UNDECIPHERABLE: "The part opens only with a password.",
  MACRO: "A document holds macros (VBA, XLM, Basic).",
  JAVASCRIPT: "A document holds JavaScript.",
  LAUNCH: "A document starts programs or opens files when it is read.",
  EXTERNAL: "A document fetches a template or an object from elsewhere when it is opened.",
  EMBEDDED: "A document holds embedded files or objects.",
} as const satisfies Record<string, string>;

export type Attribute = keyof typeof ATTRIBUTES;
