// What is wrong with a rule file, as a value: compiling never throws on what an operator wrote.

export interface RuleError {
  /** As the operator names it: "rules/banned.rules". */
  readonly file: string;
  /** Counted from 1; 0 when the whole file is meant. */
  readonly line: number;
  readonly message: string;
}

/** More than this many errors are counted, not listed. */
export const MAX_ERRORS = 50;

/** "rules/banned.rules:12: message", one line without control characters. */
export function errorText(error: RuleError): string {
  const where = error.line > 0 ? `${error.file}:${error.line}` : error.file;
  return `${where}: ${error.message}`.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}

/** The first MAX_ERRORS errors, and one more that says how many were left out. */
export function boundedErrors(errors: readonly RuleError[]): readonly RuleError[] {
  if (errors.length <= MAX_ERRORS) return errors;
  const rest = errors.length - MAX_ERRORS;
  return [
    ...errors.slice(0, MAX_ERRORS),
    { file: "rules", line: 0, message: `${rest} more errors are not shown` },
  ];
}
