// What stands between the parentheses of eval:FUNCTION(…).

const ARGUMENT = /[\t-\r ]*(?:(['"])(.*?)\1|([\d.:A-Za-z-]+?))[\t-\r ]*(?:,[\t-\r ]*|$)/y;

/** Quoted texts, bare words, numbers and addresses, quotes taken off; null when something else stands among them. */
export function evalArguments(text: string): readonly string[] | null {
  const args: string[] = [];
  if (/^[\t-\r ]*$/.test(text)) return args;
  ARGUMENT.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const found = ARGUMENT.exec(text);
    if (found === null || ARGUMENT.lastIndex === at) return null;
    at = ARGUMENT.lastIndex;
    args.push(found[2] ?? found[3] ?? "");
  }
  return args;
}
