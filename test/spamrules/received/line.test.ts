// Received lines as mail servers write them: one of each kind that a reading knows, and lines that attack the readings.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readReceived } from "../../../src/spamrules/received/line.ts";

/** "ip rdns helo by ident envfrom id auth", "-" for none; "silent" and "unparseable" for lines without a hop. */
const summary = (line: string): string => {
  const { hop, unparseable } = readReceived(line);
  if (hop === null) return unparseable ? "unparseable" : "silent";
  const { ip, rdns, helo, by, ident, envfrom, id, auth } = hop;
  return [ip, rdns, helo, by, ident, envfrom ?? "none", id, auth]
    .map((value) => (value === "" ? "-" : value))
    .join(" ");
};

const DATE = "Tue, 23 May 2006 13:06:35 -0400";

describe("lines of known servers", () => {
  it.each([
    [
      "from out.example (mail.example [192.0.2.7]) by mx.example.net (Postfix) with ESMTPS id 4XyZ12",
      "192.0.2.7 mail.example out.example mx.example.net - none 4XyZ12 -",
    ],
    [
      "from out.example (unknown [IPv6:2001:db8::7]) by mx.example.net (Postfix) with ESMTPSA id 4XyZ12",
      "2001:db8::7 - out.example mx.example.net - none 4XyZ12 ESMTPSA",
    ],
    [
      "from [192.0.2.7] (helo=out.example ident=joe) by mx.example.net with smtp (Exim 4.96) (envelope-from <a@b.example>) id 1abc-00",
      "192.0.2.7 - out.example mx.example.net joe a@b.example 1abc-00 -",
    ],
    [
      "from mail.example ([192.0.2.7]:5555 helo=out.example) by mx.example.net with esmtps (Exim 4.96) id 1abc-00",
      "192.0.2.7 mail.example out.example mx.example.net - none 1abc-00 -",
    ],
    [
      "from mail.example (out.example) [192.0.2.7.55] (mail) by mx.example.net with esmtp (Exim 3.35) id 1abc-00",
      "192.0.2.7 mail.example out.example mx.example.net - none 1abc-00 -",
    ],
    [
      "from out.example (IDENT:joe@mail.example [192.0.2.7] (may be forged)) by mx.example.net (8.17.1/8.17.1) with ESMTP id k4N1",
      "192.0.2.7 mail.example out.example mx.example.net joe none k4N1 -",
    ],
    [
      "from out.example (joe@[192.0.2.7]) by mx.example.net (8.17.1/8.17.1) with SMTP id k4N1",
      "192.0.2.7 - out.example mx.example.net joe none k4N1 -",
    ],
    [
      "from out.example (mail.example [192.0.2.7]) (authenticated bits=0) by mx.example.net (8.17.1) with ESMTP id k4N1",
      "192.0.2.7 mail.example out.example mx.example.net - none k4N1 Sendmail",
    ],
    [
      "from mail.example (HELO out.example) (joe@192.0.2.7) by mx.example.net with SMTP",
      "192.0.2.7 mail.example out.example mx.example.net joe none - -",
    ],
    [
      "from unknown (HELO out.example) ([192.0.2.7]) (envelope-sender <a@b.example>) by mx.example.net (qmail-ldap-1.03) with SMTP",
      "192.0.2.7 - out.example mx.example.net - a@b.example - -",
    ],
    [
      "from mail.example (192.0.2.7) by mx.example.net with QMQP",
      "192.0.2.7 mail.example mail.example mx.example.net - none - -",
    ],
    [
      "from A.prod.example (2001:db8::7) by B.prod.example (2001:db8::8%6) with mapi id 15.20.7400.1",
      "2001:db8::7 - A.prod.example B.prod.example - none - -",
    ],
    [
      "from out.example ([192.0.2.7] RDNS failed) by mx.example.net with Microsoft SMTPSVC(6.0.3790.0)",
      "192.0.2.7 - out.example mx.example.net - none - -",
    ],
    [
      "from out.example ([192.0.2.7]) by mx.example.net (Lotus Domino Release 9) with ESMTP id 2024",
      "192.0.2.7 - out.example mx.example.net - none 2024 -",
    ],
    [
      "from out.example (192.0.2.7:4711) by mx.example.net with [XMail 1.27 ESMTP Server] id <S72E> for <x@y.example> from <a@b.example>",
      "192.0.2.7 - out.example mx.example.net - a@b.example S72E -",
    ],
    [
      "from ([192.0.2.7:4711] helo=out.example) by mx.example.net (ecelerity 4.2) with ESMTP id 52/92",
      "192.0.2.7 - out.example mx.example.net - none 52/92 -",
    ],
    [
      "from out.example (softdnserr [::ffff:192.0.2.7]) by mx.example.net with esmtp",
      "192.0.2.7 - out.example mx.example.net - none - -",
    ],
    ["from [192.0.2.7] by mx.example.net (via HTTP)", "192.0.2.7 - - mx.example.net - none - HTTP"],
    [
      "from 192.0.2.7 (SquirrelMail authenticated user joe) by mx.example.net with HTTP",
      "192.0.2.7 - - mx.example.net - none - HTTP",
    ],
    [
      "from out.example ([192.0.2.7]) (AUTH: PLAIN joe, TLS: TLSv1) by mx.example.net with esmtp",
      "192.0.2.7 - out.example mx.example.net - none - PLAIN",
    ],
    [
      "from out.example (mail.example [192.0.2.7]) (Authenticated sender: joe) by mx.example.net (Brand) with ESMTP id 4XyZ12",
      "192.0.2.7 mail.example out.example mx.example.net - none 4XyZ12 Postfix (Brand)",
    ],
    [
      "from [192.0.2.7] (account joe HELO [10.0.0.3]) by mx.example.net (CommuniGate Pro SMTP 6.2) with ESMTP id 52",
      "192.0.2.7 - !10.0.0.3! mx.example.net - none - Communigate",
    ],
    [
      "FROM out.example (mail.example [192.0.2.7]) BY mx.example.net ID 434B508E.174A6.1",
      "192.0.2.7 mail.example out.example mx.example.net - none 434B508E.174A6.1 -",
    ],
    [
      "(from localhost [192.0.2.7]) by mx.example.net (NAVGW 2.5.2.12) with SMTP id M2006",
      "192.0.2.7 - localhost mx.example.net - none M2006 -",
    ],
    [
      'from mail.example(192.0.2.7), claiming to be "out.example" via SMTP by mx.example.net, id smtpdEDUB8h',
      "192.0.2.7 mail.example out.example mx.example.net - none smtpdEDUB8h -",
    ],
  ])("%s", (line, expected) => {
    expect(summary(`${line}; ${DATE}`)).toBe(expected);
  });

  it("knows a server that looked for a name and found none from one that did not look", () => {
    const none =
      "from out.example (unknown [192.0.2.7]) by mx.example.net (Postfix) with ESMTP id 1";
    const notLooked =
      "from out.example ([192.0.2.7]) by mx.example.net with Microsoft SMTPSVC(6.0)";
    expect(readReceived(none).hop?.noReverseDns).toBe(true);
    expect(readReceived(notLooked).hop?.noReverseDns).toBe(false);
  });

  it("takes the date off, with what is before it, and leaves what only looks like one", () => {
    const line = "from out.example ([192.0.2.7]) by mx.example.net";
    const hop = (date: string): unknown => readReceived(`${line} ${date}`).hop?.by;
    expect(hop("; Tue, 23 May 2006 13:06:35 -0400")).toBe("mx.example.net");
    expect(hop(";23 May 2006 13:06 GMT ; ;")).toBe("mx.example.net");
    expect(readReceived("from a by b 3 May 2006 13:06:35 -0400").hop).toBeNull();
  });
});

describe("lines that say nothing", () => {
  it.each([
    "(qmail 27981 invoked by uid 225)",
    "by mx.example.net (Postfix, from userid 1002) id DABBD1BED3",
    "from joe by mx.example.net with local (Exim 4.96) id 18xeL6-000Dn1-00",
    "from mail pickup service by mx.example.net with Microsoft SMTPSVC",
    "from out.example by mx.example.net",
    "from joe@example.org by mx.example.net (mail_out_v34.13.) id 7.53.208064a0",
    "from localhost (joe@localhost) by mx.example.net (8.17.1) with SMTP id h2R2",
    "from out.example by mx.example.net with SMTP",
    "from out.example with LMTP by mx.example.net (3.0.2)",
    "(from joe@localhost) by mx.example.net (8.12.11/8.12.11/Submit) id iBAD",
    "from a.amazon.com by b.amazon.com with ESMTP (peer crosscheck: a.amazon.com)",
  ])("%s", (line) => {
    expect(summary(`${line}; ${DATE}`)).toBe("silent");
  });

  it("tells of mail fetchers, and of qmail-scanner's sender", () => {
    const fetched = "from pop.example [192.0.2.7] by localhost with POP3 (fetchmail-6.4) for joe";
    expect(readReceived(`${fetched}; ${DATE}`)).toMatchObject({ hop: null, fetched: true });
    const scanned =
      "from 192.0.2.7 by mx.example.net (envelope-from <a@b.example>, uid 502) with qmail-scanner-1.24";
    expect(readReceived(`${scanned}; ${DATE}`)).toMatchObject({
      hop: null,
      senderOfNext: "a@b.example",
    });
  });

  it("cannot read a line with a name and nothing more", () => {
    expect(summary(`from somewhere over the rainbow; ${DATE}`)).toBe("unparseable");
    expect(summary(`from out.example (mail.example [192.0.2.300]) by; ${DATE}`)).toBe(
      "unparseable",
    );
  });
});

describe("hostile lines", () => {
  const PIECES = [
    ..."from by with id ( ) [ ] < > @ ; , = : . helo= ident= HELO EHLO unknown localhost 192.0.2.7 127.0.0.1 ::1 2001:db8::1".split(
      " ",
    ),
    ..."SMTP ESMTPSA Exim (Exim (Postfix) SMTPSVC qmail-scanner authenticated (AUTH: LOGIN envelope-from HTTP POP3 \xa0 \xff 0 x".split(
      " ",
    ),
    " ",
  ];

  it("come out without anything that could break the text of relays apart", () => {
    const line = fc.array(fc.constantFrom(...PIECES, " "), { maxLength: 40 });
    fc.assert(
      fc.property(line, (pieces) => {
        const { hop } = readReceived(`from ${pieces.join("")}`);
        if (hop === null) return;
        for (const value of [hop.ip, hop.rdns, hop.helo, hop.by, hop.ident, hop.envfrom ?? ""]) {
          expect(value).not.toMatch(/[\t-\r \0#[\]()<>|]/);
        }
        expect(hop.id).not.toMatch(/[\t-\r ]/);
      }),
      { numRuns: 500 },
    );
  });

  it("cost no more than their length", () => {
    const units = [
      "@[192.0.2.7]",
      "a.",
      "] (",
      "(a) ",
      "]) (AUTH: LOGIN x, ",
      ") by x ",
      " with mapi id (",
      "1:",
      ";",
      "envelope-from=",
    ];
    const cost = (length: number): number => {
      const start = process.cpuUsage().user;
      for (const unit of units) {
        for (const head of ["from a (", "from [192.0.2.7] (", "from a (HELO ", ""]) {
          readReceived(head + unit.repeat(length / unit.length));
        }
      }
      return process.cpuUsage().user - start;
    };
    cost(65536);
    expect(cost(1 << 20)).toBeLessThan(20 * cost(8192) + 500_000);
  });
});
