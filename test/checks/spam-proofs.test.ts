// What the auth check found, as the rules of the spam engine ask for it.
import { describe, expect, it } from "vitest";
import { proofsOf, provenAt } from "../../src/checks/spam-proofs.ts";
import type { Finding } from "../../src/verdict/finding.ts";
import { answering } from "../fakes/dns-answers.ts";
import { message } from "../fakes/message.ts";

const found = (...details: string[]): Finding[] =>
  details.map((detail) => ({ check: "auth", symbol: "X", category: "note", score: 0, detail }));
const HEADER =
  "From: Joe <joe@sub.author.example.com>\r\nDKIM-Signature: v=1; d=signer.example.com; i=joe\r\n @signer.example.com; b=abcd\r\n efghijk\r\n\r\n";
const mail = message({
  header: HEADER,
  client: { address: "192.0.2.7", helo: "Mx.author.example.com." },
});
const NEVER = new AbortController().signal;

describe("proofs", () => {
  it("are none when the auth check has not run", () => {
    const other = found("spf=pass smtp.mailfrom=a.example").map((one) => ({ ...one, check: "x" }));
    expect(proofsOf(mail.header, other, null)).toEqual({
      spf: null,
      dkim: null,
      dmarc: null,
      arc: null,
    });
  });

  it("are read back from its findings", () => {
    const findings = found(
      "spf=softfail smtp.mailfrom=a.example",
      "dkim=pass header.d=signer.example.com header.s=s1 header.a=rsa-sha256 header.b=abcdefgh",
      'dkim=fail (body hash did not verify) header.d=other.example header.s="odd name" header.a=ed25519-sha256 header.b=zz',
      "dkim=policy (too many signatures to verify)",
      "dmarc=fail (p=quarantine) header.from=author.example.com",
      "arc=fail (i=1 list.example)",
    );
    expect(proofsOf(mail.header, findings, "none")).toEqual({
      spf: { mailFrom: "softfail", helo: "none" },
      dkim: [
        {
          result: "pass",
          domain: "signer.example.com",
          selector: "s1",
          identity: "joe@signer.example.com",
          bits: 1024,
        },
        {
          result: "fail",
          domain: "other.example",
          selector: "odd name",
          identity: null,
          bits: null,
        },
      ],
      dmarc: { result: "fail", policy: "quarantine" },
      arc: "fail",
    });
    expect(proofsOf(mail.header, found("dkim=none", "dmarc=pass header.from=a"), null)).toEqual({
      spf: null,
      dkim: [],
      dmarc: { result: "pass", policy: "none" },
      arc: "none",
    });
  });

  it("know HELO's SPF, and take it for DMARC as SpamAssassin does", async () => {
    const resolver = answering({
      "TXT mx.author.example.com": ["v=spf1 ip4:192.0.2.0/24 -all"],
      "MX sub.author.example.com": [{ exchange: "mx", priority: 1 }],
    });
    const failing = found("dkim=none", "dmarc=fail (p=reject) header.from=sub.author.example.com");
    expect(await provenAt(mail, failing, resolver, NEVER)).toMatchObject({
      spf: { mailFrom: null, helo: "pass" },
      dmarc: { result: "pass" },
      gone: ["example.com"],
    });
    expect(await provenAt(mail, [], resolver, NEVER)).toMatchObject({ spf: null, dkim: null });
    const number = message({
      header: HEADER,
      client: { address: "192.0.2.7", helo: "[192.0.2.7]" },
    });
    expect(await provenAt(number, failing, resolver, NEVER)).toMatchObject({
      spf: null,
      dmarc: { result: "fail", policy: "reject" },
    });
  });

  it("have no policy where there is no such domain", async () => {
    const failing = found("dkim=none", "dmarc=fail (p=reject) header.from=sub.author.example.com");
    expect(await provenAt(mail, failing, answering({}), NEVER)).toMatchObject({
      dmarc: { result: "none", policy: "" },
      gone: ["sub.author.example.com", "example.com"],
    });
  });
});
