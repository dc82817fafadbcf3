// Rules about SPF, DKIM and DMARC, free mail, bounces and links.
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../../src/spamrules/html/render.ts";
import type { Proofs } from "../../../src/spamrules/evals/eval.ts";
import { prepare, toolsOf } from "../../../src/spamrules/prepare.ts";
import { compileProgram } from "../../../src/spamrules/program.ts";
import { run } from "../../../src/spamrules/run.ts";
import { bookWith } from "../uri/finder.ts";

const NONE: Proofs = { spf: null, dkim: null, dmarc: null, arc: null };
const SIGNED = { result: "pass", domain: "example.com", selector: "s", identity: null, bits: 2048 };

interface Given {
  readonly proofs?: Partial<Proofs>;
  readonly local?: boolean;
}

/** Names of the rules that hit. */
function hits(
  lines: string,
  message: string,
  { proofs = {}, local = false }: Given = {},
): string[] {
  const book = bookWith(lines);
  const program = compileProgram(book, { local, bayes: false });
  const subject = prepare(
    Buffer.from(message, "latin1"),
    { now: 0 },
    toolsOf(book.settings, renderHtml),
  );
  const faults: unknown[] = [];
  const { counts } = run(program, subject, {
    proofs: { ...NONE, ...proofs },
    onFault: (_, error) => faults.push(error),
  });
  expect(faults).toEqual([]);
  return program.rules.filter((_, at) => (counts[at] ?? 0) > 0).map(({ name }) => name);
}

const RECEIVED = `Received: from mx.example.com (mx.example.com [8.8.4.4])
\tby us.example.net (Postfix) with ESMTP id 1
\t(envelope-from <user@example.com>); Mon, 7 Oct 2002 09:00:00 +0000
`;
const mail = (fields: string, body = "Hello"): string =>
  `${fields}From: User <user@example.com>\nTo: you@example.net\nSubject: x\n\n${body}\n`;
const rules = (kind: string, ...names: string[]): string =>
  names.map((name) => `${kind} X_${name.toUpperCase()} eval:check_${name}()`).join("\n");

describe("SPF", () => {
  const lines = rules(
    "header",
    "for_spf_pass",
    "for_spf_fail",
    "for_spf_helo_pass",
    "for_spf_helo_none",
    "spf_skipped_noenvfrom",
  );

  it("takes postern's results", () => {
    const proofs = { spf: { mailFrom: "pass", helo: "none" } };
    expect(hits(lines, mail(RECEIVED), { proofs })).toEqual([
      "X_FOR_SPF_PASS",
      "X_FOR_SPF_HELO_NONE",
    ]);
    expect(hits(lines, mail(RECEIVED), { proofs, local: true })).toEqual([]);
    expect(hits(lines, mail(RECEIVED))).toEqual([]);
    expect(hits(lines, mail(""), { proofs })).toContain("X_SPF_SKIPPED_NOENVFROM");
  });

  it("believes what a server of ours wrote, also without a network", () => {
    const fields = `Received-SPF: fail (no) identity=mailfrom; client-ip=8.8.4.4;\n${RECEIVED}`;
    const ours = "internal_networks 8.8.4.0/24\ntrusted_networks 8.8.4.0/24\n";
    expect(hits(ours + lines, mail(fields), { local: true })).toContain("X_FOR_SPF_FAIL");
  });

  it("welcomes who is on the list and passed", () => {
    const wanted = `welcomelist_from_spf *@example.com\n${rules("header", "for_spf_welcomelist_from")}`;
    const passed = { spf: { mailFrom: "pass", helo: null } };
    const failed = { spf: { mailFrom: "fail", helo: null } };
    expect(hits(wanted, mail(RECEIVED), { proofs: passed })).toEqual([
      "X_FOR_SPF_WELCOMELIST_FROM",
    ]);
    expect(hits(wanted, mail(RECEIVED), { proofs: failed })).toEqual([]);
  });
});

describe("DKIM", () => {
  const lines = rules(
    "full",
    "dkim_signed",
    "dkim_valid",
    "dkim_valid_author_sig",
    "dkim_valid_envelopefrom",
    "dkim_dependable",
  );

  it("tells signed from valid, and the author's own from others'", () => {
    const all = [
      "X_DKIM_SIGNED",
      "X_DKIM_VALID",
      "X_DKIM_VALID_AUTHOR_SIG",
      "X_DKIM_VALID_ENVELOPEFROM",
      "X_DKIM_DEPENDABLE",
    ];
    const dkim = (change: Partial<typeof SIGNED>) => ({
      proofs: { dkim: [{ ...SIGNED, ...change }] },
    });
    expect(hits(lines, mail(RECEIVED), dkim({}))).toEqual(all);
    expect(hits(lines, mail(RECEIVED), dkim({ domain: "example.org" }))).toEqual([
      all[0],
      all[1],
      all[4],
    ]);
    expect(hits(lines, mail(RECEIVED), dkim({ bits: 512 }))).toEqual([all[0], all[1], all[4]]);
    expect(hits(lines, mail(RECEIVED), dkim({ result: "fail" }))).toEqual([all[0], all[4]]);
    expect(hits(lines, mail(RECEIVED), { proofs: { dkim: [] } })).toEqual([all[4]]);
    expect(hits(lines, mail(RECEIVED), { ...dkim({}), local: true })).toEqual([]);
  });

  it("knows domains with all below them", () => {
    const one =
      "full A eval:check_dkim_valid('.com')\nfull B eval:check_dkim_valid('*.org','other.com')";
    expect(hits(one, mail(""), { proofs: { dkim: [SIGNED] } })).toEqual(["A"]);
  });

  it("expects signatures of those who say that they sign", () => {
    const one =
      "adsp_override example.com custom_med\nheader A eval:check_dkim_adsp('2')\nheader B eval:check_dkim_adsp('*')";
    expect(hits(one, mail(""), { proofs: { dkim: [] } })).toEqual(["A", "B"]);
    expect(hits(one, mail(""), { proofs: { dkim: [SIGNED] } })).toEqual([]);
  });

  it("welcomes an author with the signature that the list wants", () => {
    const one = (line: string): string =>
      `${line}\n${rules("header", "for_dkim_welcomelist_from")}`;
    const given = { proofs: { dkim: [SIGNED] } };
    const name = ["X_FOR_DKIM_WELCOMELIST_FROM"];
    expect(hits(one("welcomelist_from_dkim *@example.com"), mail(""), given)).toEqual(name);
    expect(hits(one("welcomelist_auth user@example.com"), mail(""), given)).toEqual(name);
    expect(hits(one("welcomelist_from_dkim *@example.com example.org"), mail(""), given)).toEqual(
      [],
    );
  });

  it("answers ARC and DMARC likewise", () => {
    const both = `${rules("full", "arc_signed", "arc_valid")}\n${rules("header", "dmarc_pass", "dmarc_reject", "dmarc_missing")}`;
    const dmarc = (result: string, policy: string) => ({ result, policy });
    expect(
      hits(both, mail(RECEIVED), { proofs: { arc: "fail", dmarc: dmarc("fail", "reject") } }),
    ).toEqual(["X_ARC_SIGNED", "X_DMARC_REJECT"]);
    expect(
      hits(both, mail(RECEIVED), { proofs: { arc: "pass", dmarc: dmarc("pass", "none") } }),
    ).toEqual(["X_ARC_SIGNED", "X_ARC_VALID", "X_DMARC_PASS"]);
    expect(
      hits(both, mail(RECEIVED), { proofs: { arc: "none", dmarc: dmarc("none", "") } }),
    ).toEqual(["X_DMARC_MISSING"]);
    expect(hits(both, mail(""), { proofs: { dmarc: dmarc("fail", "reject") } })).toEqual([]);
  });
});

describe("free mail", () => {
  const lines = `freemail_domains free.example.com wild*.org
header FROM eval:check_freemail_from()
header DIGIT eval:check_freemail_header('Reply-To', '\\d@')
header REPLY eval:check_freemail_replyto('replyto')
body NAMED /friend/
body CUT /quoted@/`;
  const letter = (from: string, reply: string, body = ""): string =>
    `From: ${from}\nReply-To: ${reply}\nSubject: x\n\n${body}\n`;

  it("knows providers by name and by pattern, and spares roles", () => {
    expect(hits(lines, letter("a@free.example.com", "b@x.net"))).toEqual(["FROM"]);
    expect(hits(lines, letter("a@wildest.org", "b@x.net"))).toEqual(["FROM"]);
    expect(hits(lines, letter("a@wild.x.org", "b@x.net"))).toEqual([]);
    expect(hits(lines, letter("abuse@free.example.com", "b@x.net"))).toEqual([]);
    expect(hits(lines, letter("a=b=c@free.example.com", "b@x.net"))).toEqual([]);
  });

  it("sees answers that go elsewhere, by header or by body", () => {
    expect(hits(lines, letter("a@free.example.com", "b1@wild.org"))).toEqual([
      "FROM",
      "DIGIT",
      "REPLY",
    ]);
    expect(hits(lines, letter("a@x.net", "b@wild.org", "write to friend@wild.org"))).toEqual([
      "REPLY",
      "NAMED",
    ]);
    expect(hits(lines, letter("a@x.net", "b@wild.org", "write to b@wild.org"))).toEqual([]);
  });

  it("cuts quoted addresses out of the body that rules meet", () => {
    expect(hits(lines, letter("a@x.net", "b@wild.org", "<quoted@wild.org> wrote friend"))).toEqual(
      ["REPLY", "NAMED"].slice(1),
    );
    expect(hits(lines, letter("a@x.net", "b@x.net", "<quoted@wild.org> wrote friend"))).toEqual([
      "NAMED",
      "CUT",
    ]);
  });

  it("says nothing of a body full of addresses", () => {
    const many = Array.from({ length: 6 }, (_, at) => `u${at}@wild.org`).join(" ");
    expect(hits(lines, letter("a@x.net", "b@wild.org", many))).toEqual([]);
  });
});

describe("bounces and links", () => {
  it("finds a relay of ours in what came back", () => {
    const lines =
      "welcomelist_bounce_relays *.example.net\nbody ANY eval:have_any_bounce_relays()\nbody OURS eval:check_welcomelist_bounce_relays()";
    expect(hits(lines, mail("", "Received: by mx.example.net (Postfix)"))).toEqual(["ANY", "OURS"]);
    expect(hits(lines, mail("", "Received: by mx.example.org (Postfix)"))).toEqual(["ANY"]);
  });

  it("finds links that are not what they say", () => {
    const lines =
      "body IP eval:check_https_ip_mismatch()\nbody LONG eval:check_uri_truncated()\nbody TO eval:check_for_http_redirector()\nuri_detail DETAIL text =~ /bank/ host !~ /bank/";
    const html = (href: string, text: string): string =>
      `From: a@b.com\nContent-Type: text/html\n\n<a href="${href}">${text}</a>\n`;
    expect(hits(lines, html("http://192.0.2.1/", "https://bank.example.com"))).toEqual([
      "IP",
      "DETAIL",
    ]);
    expect(hits(lines, html(`http://example.com/${"x".repeat(9000)}`, "x"))).toEqual(["LONG"]);
    expect(hits(lines, html("http://example.com/?http://example.org/", "x"))).toEqual(["TO"]);
  });
});
