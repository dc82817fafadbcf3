// Slices of the header by Received fields: what ALL-TRUSTED and its like mean.

/** The fields of a header as they came, each with its continuation lines. Lines before the first field that only continue are lost. */
export function rawFields(pristine: string): string[] {
  const fields: string[] = [];
  let start = 0;
  while (start < pristine.length) {
    let end = pristine.indexOf("\n", start);
    // A last line without its end is no field.
    if (end < 0) break;
    while (isBlank(pristine, end + 1)) {
      const next = pristine.indexOf("\n", end + 1);
      if (next < 0) break;
      end = next;
    }
    const code = pristine.charCodeAt(start);
    // The empty line behind the header: a field with CRLF, none with LF.
    if (code !== 32 && code !== 9 && code !== 10 && !isBlank(pristine, end + 1))
      fields.push(pristine.slice(start, end + 1));
    start = end + 1;
  }
  return fields;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || code === 9;
}

/** Of the fields from the Received field with one number to that with the other, both included, counted from 0; null: from the top, to the end. */
export function receivedRange(
  fields: readonly string[],
  first: number | null,
  last: number | null,
): string[] {
  if (last !== null && last < 0) return [];
  let at = -1;
  const taken: string[] = [];
  for (const field of fields) {
    if (/^Received:/i.test(field)) at += 1;
    if ((first === null || first <= at) && (last === null || at < last)) taken.push(field);
    else if (last !== null && at === last) {
      taken.push(field);
      break;
    }
  }
  return taken;
}
