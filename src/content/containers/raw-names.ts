// Names that archives give as octets of an unsaid charset. Used by the formats whose headers do not say how names are coded.
const UTF_8 = new TextDecoder("utf-8", { fatal: true });

/** The name up to its first NUL in the readings that matter: UTF-8 where it is that, else Latin-1. [] when it is empty. */
export function namesFrom(octets: Buffer): string[] {
  const end = octets.indexOf(0);
  const name = end < 0 ? octets : octets.subarray(0, end);
  if (name.length === 0) return [];
  try {
    return [UTF_8.decode(name)];
  } catch {
    return [name.toString("latin1")]; // Some code page: what is ASCII in it, extensions above all, is right.
  }
}

/** Without repetitions and empty ones. */
export function distinct(names: readonly (string | null | undefined)[]): string[] {
  return [...new Set(names.filter((name) => typeof name === "string" && name !== ""))] as string[];
}
