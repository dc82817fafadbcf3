// The octets of a clamd client: commands of each form, streams cut anywhere, and whatever else may come.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { clamdReader, type ClamdEvent } from "../../src/servers/clamd-reader.ts";

/** All events as short texts; octets of one stream joined. */
function read(...pieces: readonly Buffer[]): readonly string[] {
  const reader = clamdReader();
  const said: string[] = [];
  let stream = "";
  const note = (event: ClamdEvent): void => {
    if (event.kind === "octets") stream += event.octets.toString("latin1");
    else if (event.kind === "end-of-stream") {
      said.push(`stream ${JSON.stringify(stream)}`);
      stream = "";
    } else if (event.kind === "command") said.push(`${event.name} ${JSON.stringify(event.end)}`);
    else said.push(event.why);
  };
  for (const piece of pieces) {
    reader.feed(piece);
    for (let event; (event = reader.next()) !== null;) note(event);
  }
  if (stream !== "") said.push(`unfinished ${JSON.stringify(stream)}`);
  return said;
}

const chunk = (text: string): Buffer => {
  const octets = Buffer.alloc(4 + text.length);
  octets.writeUInt32BE(text.length);
  octets.write(text, 4, "latin1");
  return octets;
};

test.each([
  ["zPING\0", ['PING "\\u0000"']],
  ["nPING\n", ['PING "\\n"']],
  ["PING\n", ['PING "\\n"']],
  ["nPING\r\n", ['PING "\\n"']],
  ["zSCAN /etc/passwd\0zPING\0", ['SCAN /etc/passwd "\\u0000"', 'PING "\\u0000"']],
  ["z\0", [' "\\u0000"']],
  ["PING", []],
])("%j", (text, events) => {
  expect(read(Buffer.from(text, "latin1"))).toEqual(events);
});

test("a command has an end", () => {
  const long = `z${"x".repeat(2000)}`;
  expect(read(Buffer.from(long))).toEqual(["Command too long"]);
  expect(read(Buffer.from(`${long}\0zPING\0`))).toEqual(["Command too long"]);
});

test("streams in a session, whatever their chunks", () => {
  const text = [
    Buffer.from("zIDSESSION\0zINSTREAM\0"),
    chunk("one "),
    chunk("message"),
    chunk(""),
    Buffer.from("nINSTREAM\n"),
    chunk("\0zEND\0"),
    chunk(""),
    Buffer.from("zEND\0"),
  ];
  expect(read(Buffer.concat(text))).toEqual([
    'IDSESSION "\\u0000"',
    'INSTREAM "\\u0000"',
    'stream "one message"',
    'INSTREAM "\\n"',
    'stream "\\u0000zEND\\u0000"',
    'END "\\u0000"',
  ]);
});

test("where the network cuts makes no difference", () => {
  const parts = fc.oneof(
    fc.constantFrom("zPING\0", "nVERSION\n", "zINSTREAM\0", "\0\0\0\0", "\0\0\0\x03abc"),
    fc.string({ unit: "binary", maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(parts), fc.array(fc.nat(40)), (texts, cuts) => {
      const all = Buffer.from(texts.join(""), "latin1");
      const pieces: Buffer[] = [];
      let at = 0;
      for (const cut of cuts) {
        pieces.push(all.subarray(at, at + cut));
        at += cut;
      }
      pieces.push(all.subarray(at));
      expect(read(...pieces)).toEqual(read(all));
    }),
  );
});

test("a chunk that claims 4 GiB is read as it comes", () => {
  const reader = clamdReader();
  reader.feed(Buffer.from("zINSTREAM\0\xff\xff\xff\xff", "latin1"));
  expect(reader.next()).toMatchObject({ kind: "command" });
  expect(reader.next()).toBeNull();
  for (let i = 0; i < 100; i++) {
    reader.feed(Buffer.alloc(1000));
    expect(reader.next()).toMatchObject({ kind: "octets", octets: { length: 1000 } });
    expect(reader.next()).toBeNull();
  }
});
