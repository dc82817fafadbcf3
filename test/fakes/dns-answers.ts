// A resolver function in mailauth's shape over a map of records: no sockets, no waiting. Tells "no such name" from "no such
// record", fails where it is told to, and counts what it was asked.

export type Answers = Readonly<Record<string, readonly unknown[] | Error | "never">>;

export interface AnsweringResolver {
  (name: string, type: string): Promise<readonly unknown[]>;
  /** "TXT example.org" of every question. */
  readonly asked: string[];
}

/** An error as node:dns has it. */
export function dnsError(code: string): Error {
  return Object.assign(new Error(`query ${code}`), { code });
}

/** Keys are "TXT example.org" (lower case); a string in a TXT list is one record. */
export function answering(answers: Answers): AnsweringResolver {
  const names = new Set(Object.keys(answers).map((key) => key.split(" ")[1]));
  const asked: string[] = [];
  const resolve = async (name: string, type: string): Promise<readonly unknown[]> => {
    const lower = name.toLowerCase().replace(/\.$/, "");
    asked.push(`${type} ${lower}`);
    const answer = answers[`${type} ${lower}`];
    if (answer === "never") return new Promise(() => {});
    if (answer instanceof Error) throw answer;
    if (answer === undefined) throw dnsError(names.has(lower) ? "ENODATA" : "ENOTFOUND");
    return type === "TXT" ? answer.map((record) => [record].flat()) : answer;
  };
  return Object.assign(resolve, { asked });
}
