// The messages of the `content` bench, written to files for smtp-source: plain text, a mail with ordinary attachments, a large zip
// of texts. Made of words and of random octets with a fixed seed, so that every run and every machine sends the same.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface ContentMessage {
  readonly name: string;
  readonly file: string;
  readonly octets: number;
}

const WORDS =
  "the report of this week says that two of the machines in the second hall were stopped for repair and that the parts will come on monday so please plan the next days without them and tell the others what you need".split(
    " ",
  );

/** Writes all three below `dir`. Needs python3, which packs the archives; throws without it. */
export function contentMessages(dir: string): readonly ContentMessage[] {
  const random = generator(42);
  const small = mail([text(words(random, 3_800))]);
  const attached = mail([
    text(words(random, 6_000)),
    attachment("picture.png", "image/png", png(random, 20_000)),
    attachment("letter.docx", DOCX, document(dir, random)),
    attachment("data.csv", "text/csv", Buffer.from(table(random, 250))),
  ]);
  const large = mail([
    text("The archive is attached."),
    attachment("texts.zip", "application/zip", zipOfTexts(dir, random)),
  ]);
  return (
    [
      ["4 KiB text", "text", small],
      ["50 KiB, three attachments", "attached", attached],
      ["5 MB zip", "zip", large],
    ] as const
  ).map(([name, base, raw]) => {
    const file = join(dir, `${base}.eml`);
    // smtp-source makes CRLF of LF by itself.
    writeFileSync(file, raw.replaceAll("\r\n", "\n"), "latin1");
    return { name, file, octets: raw.length };
  });
}

const DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/** xorshift32: the same numbers everywhere. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function words(random: () => number, octets: number): string {
  const lines: string[] = [];
  let line = "";
  for (let size = 0; size < octets;) {
    line += `${line === "" ? "" : " "}${WORDS[random() % WORDS.length] ?? ""}${random() % 50}`;
    if (line.length < 70) continue;
    lines.push(line);
    size += line.length + 2;
    line = "";
  }
  return lines.join("\r\n");
}

function noise(random: () => number, octets: number): Buffer {
  const out = Buffer.alloc(octets);
  for (let at = 0; at + 4 <= octets; at += 4) out.writeUInt32LE(random(), at);
  return out;
}

const png = (random: () => number, octets: number): Buffer =>
  Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), noise(random, octets)]);

const table = (random: () => number, rows: number): string =>
  Array.from({ length: rows }, (_, n) => `${n};${random() % 10_000};${random() % 100}\r\n`).join(
    "",
  );

const text = (body: string): string =>
  ["Content-Type: text/plain; charset=utf-8", "", body].join("\r\n");

function attachment(name: string, type: string, content: Buffer): string {
  return [
    `Content-Type: ${type}; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    "Content-Transfer-Encoding: base64",
    "",
    content.toString("base64").replace(/.{76}(?=.)/g, "$&\r\n"),
  ].join("\r\n");
}

function mail(parts: readonly string[]): string {
  const [only = ""] = parts;
  const head = [
    "From: Sender <sender@example.net>",
    "To: recipient@example.com",
    "Subject: plans for the week",
    "Date: Mon, 02 Nov 2026 10:00:00 +0000",
    "Message-ID: <content-bench@client.example.net>",
    "MIME-Version: 1.0",
  ];
  if (parts.length === 1) return `${[...head, only].join("\r\n")}\r\n`;
  const body = parts.map((part) => `--=_content\r\n${part}\r\n`).join("");
  const type = 'Content-Type: multipart/mixed; boundary="=_content"';
  return `${[...head, type, "", body].join("\r\n")}--=_content--\r\n`;
}

/** A small document as word processors write them: XML members in a zip. */
function document(dir: string, random: () => number): Buffer {
  const at = join(dir, "document");
  mkdirSync(join(at, "word"), { recursive: true });
  mkdirSync(join(at, "_rels"), { recursive: true });
  const xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
  const main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
  writeFileSync(
    join(at, "[Content_Types].xml"),
    `${xml}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="${main}"/></Types>`,
  );
  writeFileSync(
    join(at, "_rels/.rels"),
    `${xml}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
  );
  const paragraphs = words(random, 20_000).replaceAll("\r\n", "</w:t></w:r></w:p><w:p><w:r><w:t>");
  writeFileSync(
    join(at, "word/document.xml"),
    `${xml}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>${paragraphs}</w:t></w:r></w:p></w:body></w:document>`,
  );
  return zipped(at, join(dir, "letter.docx"));
}

/** Eight texts that compress to about 5 MB in all. */
function zipOfTexts(dir: string, random: () => number): Buffer {
  const at = join(dir, "texts");
  mkdirSync(at, { recursive: true });
  for (let n = 0; n < 8; n++) writeFileSync(join(at, `text-${n}.txt`), words(random, 2_000_000));
  return zipped(at, join(dir, "texts.zip"));
}

function zipped(from: string, to: string): Buffer {
  // Python is there wherever Debian's mail tools are; its zipfile writes the same octets each time but for dates.
  const script = `
import os, sys, zipfile
src, dst = sys.argv[1:]
with zipfile.ZipFile(dst, "w", zipfile.ZIP_DEFLATED) as z:
    for base, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            path = os.path.join(base, name)
            info = zipfile.ZipInfo(os.path.relpath(path, src), (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, open(path, "rb").read())
sys.stdout.buffer.write(open(dst, "rb").read())
`;
  return execFileSync("python3", ["-c", script, from, to], { maxBuffer: 64 * 1024 * 1024 });
}
