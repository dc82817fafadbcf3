// Compares how postern, mailparser and Python's email read real messages: `npm run crosscheck -- PATH…` (files or directories; an mbox
// is split). What mailparser and Python agree on must be in postern's tree, or in another reading of it; each difference is printed.
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { simpleParser, type ParsedMail } from "mailparser";
import { looseHash, posternSees, type Seen } from "../oracles/postern.ts";
import { pythonEmail, type SeenPart } from "../oracles/python-email.ts";

async function filesIn(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).sort();
  return (await Promise.all(names.map((name) => filesIn(join(path, name))))).flat();
}

/** The messages of a file, with CRLF line ends, as an MTA hands them over. */
function messagesOf(octets: Buffer): Buffer[] {
  const text = octets.toString("latin1").replace(/\r?\n/g, "\r\n");
  const starts = [...text.matchAll(/(?:^|\r\n\r\n)From \S+ [^\r\n]*\d\d:\d\d[^\r\n]*\r\n/g)];
  if (starts.length < 2) return [Buffer.from(text, "latin1")];
  return starts.map((start, i) =>
    Buffer.from(text.slice(start.index + start[0].length, starts[i + 1]?.index), "latin1"),
  );
}

const squeezed = (text: string): string => text.replace(/[\s\ufeff\0]+/g, "");

/** True when mailparser shows this part of Python's too: as an attachment, or within its text. */
function mailparserShows(part: SeenPart, octets: Buffer, mail: ParsedMail): boolean {
  const hash = looseHash(octets);
  if (mail.attachments.some(({ content }) => looseHash(content) === hash)) return true;
  if (part.text === null) return false;
  const text = squeezed(part.text);
  return text !== "" && squeezed(`${mail.text ?? ""}\n${mail.html || ""}`).includes(text);
}

type Verdict = "the same" | "in another reading" | "other octets" | "other name";

function compare(octets: Buffer, name: string | null, seen: Seen): Verdict {
  const hash = looseHash(octets);
  const ours = seen.leaves.filter((leaf) => looseHash(leaf.octets) === hash);
  const others = seen.others.filter((leaf) => looseHash(leaf.octets) === hash);
  if (ours.length + others.length === 0) return "other octets";
  const bears = (names: readonly string[]): boolean =>
    name === null || names.some((one) => squeezed(one) === squeezed(name));
  if (ours.some(({ part: one }) => bears(one.names))) return "the same";
  return others.some(({ names }) => bears(names)) ? "in another reading" : "other name";
}

/** mailparser's name for these octets; undefined when it has none of them. */
function mailparserName(octets: Buffer, mail: ParsedMail): string | null | undefined {
  const hash = createHash("sha256").update(octets).digest("hex");
  for (const { content, filename } of mail.attachments)
    if (createHash("sha256").update(content).digest("hex") === hash) return filename ?? null;
  return undefined;
}

const kindsOf = ({ tree }: Seen): string =>
  [...new Set(tree.parts.flatMap(({ defects }) => defects.map(({ kind }) => kind)))].join(" ");

const totals = new Map<string, number>();
const count = (what: string, by = 1): void => void totals.set(what, (totals.get(what) ?? 0) + by);
const python = pythonEmail();

async function check(file: string, message: Buffer): Promise<void> {
  const seen = posternSees(message);
  const [parts, mail] = await Promise.all([
    python.parts(message),
    simpleParser(message, {
      skipTextToHtml: true,
      skipHtmlToText: true,
      skipTextLinks: true,
    }).catch(() => null),
  ]);
  count("messages");
  if (parts === null || mail === null) {
    count(parts === null ? "messages that Python gives up" : "messages that mailparser gives up");
    return;
  }
  count("leaves of Python", parts.length);
  count("attachments of mailparser", mail.attachments.length);
  count("leaves of postern", seen.leaves.length);
  // Files in texts are parts of ours alone.
  const plain = seen.leaves.filter(
    ({ part }) => part.parent?.sha256 === undefined || part.parent.sha256 === "",
  );
  if (plain.length !== parts.length) {
    const ours = plain.map(({ part }) => part.type).join(",");
    const theirs = parts.map(({ type }) => type).join(",");
    console.log(
      ["number of leaves", `postern: ${ours}`, `Python: ${theirs}`, kindsOf(seen), file].join(
        " | ",
      ),
    );
  }
  count(
    plain.length === parts.length ? "messages with as many leaves" : "messages with other numbers",
  );
  for (const part of parts) {
    const octets = Buffer.from(part.data, "base64");
    if (octets.length === 0 || !mailparserShows(part, octets, mail)) continue;
    const theirs = mailparserName(octets, mail);
    const name = theirs === part.name ? part.name : null;
    count("parts on which Python and mailparser agree");
    const verdict = compare(octets, name, seen);
    count(`- ${verdict}`);
    if (verdict === "the same") continue;
    console.log([verdict, part.type, name ?? "", octets.length, kindsOf(seen), file].join(" | "));
  }
}

for (const path of process.argv.slice(2)) {
  for (const file of await filesIn(path)) {
    const octets = await readFile(file);
    for (const [i, message] of messagesOf(octets).entries()) await check(`${file}#${i}`, message);
  }
}
python.close();
console.log("");
for (const [what, number] of totals) console.log(`${String(number).padStart(8)}  ${what}`);
