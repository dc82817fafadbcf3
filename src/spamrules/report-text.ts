// Texts in the shapes of SpamAssassin's reports: wrapped lines, points, dates, a preview of the content. Texts are octets.

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** C's "%2.1f": a tie goes to the even digit, where JavaScript takes the larger one. */
export function tenth(points: number): string {
  const tie = Math.abs(points * 4) % 4 === 1;
  return (tie ? points - Math.sign(points) * 0.05 : points).toFixed(1);
}

/** A score that is not spam's is not shown as if it were, by rounding. */
export function shownScore(total: number, required: number): string {
  const [shown, level] = [Number(tenth(total)), Number(tenth(required))];
  if (total >= required || shown < level) return tenth(total);
  return String(Number((level - 0.1).toPrecision(15)));
}

/** Points in the first column of a report. */
export function columnScore(points: number): string {
  if (Math.abs(points) < 10) return tenth(points).padStart(4);
  const tie = Math.abs(points) % 2 === 0.5;
  return (tie ? points - Math.sign(points) * 0.5 : points).toFixed(0).padStart(4);
}

/** "Sat, 21 Nov 2026 19:00:00 +0000", in this machine's zone. */
export function dateText(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${DAYS[date.getDay()] ?? ""}, ${two(date.getDate())} ${MONTHS[date.getMonth()] ?? ""} ${date.getFullYear()} ${time} ${zone}`;
}

export interface WrapShape {
  /** In front of every line but the first. */
  readonly prefix: string;
  /** What the first line begins with; not wrapped itself. */
  readonly first: string;
  readonly width: number;
  /** Whether a line may go over the width by its last word. */
  readonly overflow: boolean;
  /** Where lines may end: behind one of these, which stays, or at white space, which goes. */
  readonly at: "space" | "space-or-comma";
}

/** As SpamAssassin breaks lines: a tab counts eight, the first piece of a line is never measured with the next one. Linear. */
export function wrapped(text: string, { prefix, first, width, overflow, at }: WrapShape): string {
  const pieces = text.split(at === "space" ? /([\t-\r ])/ : /(?<=[\t-\r ,])/);
  while (pieces.length > 0 && pieces.at(-1) === "") pieces.pop();
  if (first !== "") pieces.unshift(first);
  const lines: string[] = [];
  let line = pieces[0] ?? "";
  let size = widthOf(line);
  let merged = false;
  for (let i = 1; i < pieces.length;) {
    const piece = pieces[i] ?? "";
    const length = size + (merged && !overflow ? widthOf(piece) : 0);
    if (length <= width) {
      line += piece;
      size += widthOf(piece);
      merged = true;
      i++;
    } else {
      lines.push(line.replace(/[\t-\r ]+$/, ""));
      line = prefix;
      size = widthOf(prefix);
      merged = false;
    }
    // What is wider than a line stands alone on one.
    if (!merged && size > width) {
      line += piece;
      size += widthOf(piece);
      merged = true;
      i++;
    }
  }
  return [...lines, line].join("\n");
}

function widthOf(text: string): number {
  let tabs = 0;
  for (let at = text.indexOf("\t"); at >= 0; at = text.indexOf("\t", at + 1)) tabs++;
  return text.length + 7 * tabs;
}

/** The first lines of a body (element 0 is the subject) for _PREVIEW_. */
export function previewOf(body: readonly string[]): string {
  let text = "";
  for (const line of body.slice(1, 4)) {
    if (text.length >= 200) break;
    text += line;
  }
  const plain = text
    .replace(/^([^\n]{200})[^\n]+$/gm, "$1 [...]")
    .replace(/\n$/, "")
    .concat("\n")
    .replace(/-----Original Message-----[^\n]*$/gm, "")
    .replaceAll("This is a multi-part message in MIME format.", "")
    .replace(/[-_*.]{10,}/g, "")
    .replace(/[\t-\r ]+/g, " ");
  const first = "Content preview:  ";
  const lines = wrapped(plain, { prefix: "  ", first, width: 75, overflow: true, at: "space" });
  return lines.replace(/^Content preview:[\t-\r ]+/, "");
}
