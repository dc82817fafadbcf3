// What clients of spamd say, whole and octet by octet, and what is wrong with it in spamd's words.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { spamdReader, type SpamdEvent } from "../../src/servers/spamd-reader.ts";

/** All events of a conversation that came in pieces of `size`; octets joined. */
function heard(text: string, size = Infinity, end = true): (SpamdEvent | { octets: string })[] {
  const reader = spamdReader();
  const events: (SpamdEvent | { octets: string })[] = [];
  const take = (): void => {
    for (let event; (event = reader.next()) !== null;) {
      const last = events.at(-1);
      if (event.kind !== "octets") events.push(event);
      else if (last !== undefined && !("kind" in last))
        last.octets += event.octets.toString("latin1");
      else events.push({ octets: event.octets.toString("latin1") });
    }
  };
  const octets = Buffer.from(text, "latin1");
  for (let at = 0; at < octets.length; at += size) {
    reader.feed(octets.subarray(at, at + Math.min(size, octets.length)));
    take();
  }
  if (end) {
    reader.finish();
    take();
  }
  return events;
}
const request = (text: string): Extract<SpamdEvent, { kind: "request" }>["request"] => {
  const [first] = heard(text);
  if (first === undefined || !("kind" in first) || first.kind !== "request")
    throw new Error(`no request: ${JSON.stringify(first)}`);
  return first.request;
};
const broken = (text: string): string | undefined => {
  const last = heard(text).at(-1);
  return last !== undefined && "kind" in last && last.kind === "broken" ? last.why : undefined;
};

describe("requests", () => {
  test("spamc's", () => {
    expect(request("SYMBOLS SPAMC/1.5\r\nUser: ann\r\nContent-length: 3\r\n\r\nabc")).toMatchObject(
      {
        method: "SYMBOLS",
        version: 1.5,
        rspamd: false,
        length: 3,
        user: "ann",
        compressed: false,
      },
    );
  });

  test.each([1, 2, 7, Infinity])("the message, in pieces of %s", (size) => {
    const events = heard("CHECK SPAMC/1.2\r\nContent-length: 6\r\n\r\nabc\ndeXXX", size);
    expect(events[1]).toEqual({ octets: "abc\nde" });
    expect(events[2]).toMatchObject({ kind: "end" });
    expect(events).toHaveLength(3);
  });

  test("a message without a length ends with the client's side", () => {
    expect(heard("CHECK SPAMC/1.2\r\n\r\nabc", 2, false)).toHaveLength(2);
    expect(heard("CHECK SPAMC/1.2\r\n\r\nabc", 2)[2]).toEqual({ kind: "end", got: 3 });
  });

  test("a message that is too short is told as it came", () => {
    expect(heard("CHECK SPAMC/1.2\r\nContent-length: 9\r\n\r\nabc").at(-1)).toEqual({
      kind: "end",
      got: 3,
    });
  });

  test("the rest of the last line counts, as spamd reads lines", () => {
    const long = "CHECK SPAMC/1.2\r\nContent-length: 2\r\n\r\nabcde\nfg";
    expect(heard(long).at(-1)).toEqual({ kind: "end", got: 6 });
    const whole = "CHECK SPAMC/1.2\r\nContent-length: 2\r\n\r\na\ncde\n";
    expect(heard(whole).at(-1)).toEqual({ kind: "end", got: 2 });
  });

  test("version 1.0 has no headers", () => {
    const events = heard("CHECK SPAMC/1.0\r\nUser: ann\r\n\r\nabc");
    expect(events[1]).toEqual({ octets: "User: ann\r\n\r\nabc" });
  });

  test("PING has headers from 1.5 on", () => {
    expect(heard("PING SPAMC/1.2\r\n", Infinity, false)).toMatchObject([{ kind: "request" }]);
    expect(heard("PING SPAMC/1.5\r\n", Infinity, false)).toEqual([]);
    expect(heard("PING SPAMC/1.5\r\n\r\n", Infinity, false)).toMatchObject([{ kind: "request" }]);
  });

  test("a command is found anywhere in the line, the longer name too", () => {
    expect(request("xx REPORT_IFSPAM SPAMC/1.3 yy\r\n\r\n")).toMatchObject({
      method: "REPORT_IFSPAM",
      version: 1.3,
    });
  });

  test("names of headers are exact", () => {
    expect(request("CHECK SPAMC/1.2\r\ncontent-length: 3\r\nUSER: x\r\n\r\n")).toMatchObject({
      length: null,
      user: null,
    });
  });

  test("TELL says what to learn", () => {
    expect(
      request("TELL SPAMC/1.5\r\nMessage-class: spam\r\nSet: local, remote\r\n\r\n").tell,
    ).toEqual({
      messageClass: "spam",
      setLocal: true,
      setRemote: true,
      removeLocal: false,
      removeRemote: false,
    });
  });

  test("Exim's to rspamd, in any spelling of names", () => {
    const { rspamd, facts, length, user } = request(
      "CHECK RSPAMC/1.3\r\nContent-length: 5\r\nQueue-Id: 1\r\nFrom: <a@b.example>\r\nRecipient-Number: 2\r\nRcpt: <c@d.example>\r\nrcpt: <e@d.example>\r\nHelo: h\r\nIP: 192.0.2.1\r\nUser: ann\r\n\r\nabcde",
    );
    expect({ rspamd, length, user }).toEqual({ rspamd: true, length: 5, user: "ann" });
    expect(facts.get("rcpt")).toEqual(["<c@d.example>", "<e@d.example>"]);
    expect(facts.get("ip")).toEqual(["192.0.2.1"]);
  });
});

describe("what is none", () => {
  test.each([
    ["", "(closed before headers)"],
    ["HELLO\r\n", "HELLO"],
    ["GET / HTTP/1.0\r\n", "GET / HTTP/1.0"],
    ["CHECK SPAMC/1.2\r\nContent-length: 3\r\n", "(EOF during headers)"],
    ["CHECK SPAMC/1.2\r\nContent-length: x\r\n\r\n", "(Content-Length contains non-numeric bytes)"],
    ["CHECK SPAMC/1.2\r\nhello\r\n\r\n", "(header not in 'Name: value' format)"],
    ["CHECK SPAMC/1.2\r\nUser: a\x01b\r\n\r\n", "(User header contains control chars)"],
    ["CHECK SPAMC/1.2\r\nCompress: bzip2\r\n\r\n", "(compression type not supported: bzip2)"],
    ["CHECK SPAMC/1.2\n\n", "(header not in 'Name: value' format)"],
    [`CHECK SPAMC/1.2\r\n${"A: b\r\n".repeat(256)}\r\n`, "(too many headers)"],
  ])("%j", (text, why) => expect(broken(text)).toBe(why));

  test("255 headers are not too many", () => {
    expect(broken(`CHECK SPAMC/1.2\r\n${"A: b\r\n".repeat(255)}\r\n`)).toBeUndefined();
  });

  test("a line without an end is bounded", () => {
    const reader = spamdReader();
    reader.feed(Buffer.alloc(100_000, 0x41));
    expect(reader.next()).toMatchObject({ kind: "broken" });
  });

  test("whatever comes, in whatever pieces, it comes to an end and says the same", () => {
    const word = fc.constantFrom(
      "CHECK SPAMC/1.2",
      "PING SPAMC/1.5",
      "\r\n",
      "\n",
      "Content-length: 4",
      "User: x",
      ": ",
      "abc",
      "RSPAMC/1.3 ",
      "Compress: zlib",
    );
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        (words, size) => {
          const text = words.join("");
          const kinds = (events: ReturnType<typeof heard>): string[] =>
            events.map((event) => ("kind" in event ? event.kind : event.octets));
          expect(kinds(heard(text, size))).toEqual(kinds(heard(text)));
        },
      ),
    );
  });
});
