// What rules ask of single fields, of times, and of mail that says it is from a big mail service.
import { describe, expect, it } from "vitest";
import { ask, DATE, hop } from "./ask.ts";

const RECEIVED = hop("192.0.2.1");

describe("fields", () => {
  it.each([
    ["subject_is_all_caps", ["Subject: Re: BUY THIS NOW"], true],
    ["subject_is_all_caps", ["Subject: Re: BUY THIs NOW"], false],
    ["subject_is_all_caps", ["Subject: SHOUTINGLOUD"], false],
    ["subject_is_all_caps", ["Subject: =?koi8-r?Q?BUY?= THIS NOW"], false],
    ["check_illegal_chars(Subject, 0.1, 2)", ["Subject: \xe4\xf6\xfc bad"], true],
    ["check_illegal_chars(Subject, 0.1, 2)", ["Subject: \xc3\xa4\xc3\xb6 fine"], false],
    ["check_illegal_chars(Subject, 0.0, 1)", ["Subject: only \xa35"], false],
    ["check_for_missing_to_header", ["Cc: a@b.example"], true],
    ["check_for_missing_to_header", ["Apparently-To: a@b.example"], false],
    ["check_header_count_range(Subject, 2, 9)", ["Subject: a", "Subject: b"], true],
    ["check_header_count_range(Subject, 2, 9)", ["Subject: a", "Subject: a"], false],
    ["check_for_to_in_subject(user)", ["To: joe@a.example", "Subject: joe, look"], true],
    ["check_for_to_in_subject(user)", ["To: joe@a.example", "Subject: Joe, look"], false],
    ["check_for_to_in_subject(user)", ["To: joe@a.example", "Subject: fw: for joe"], true],
    ["check_for_to_in_subject(address)", ["To: joe@a.example", "Subject: to JOE@a.example!"], true],
    [
      "check_for_matching_env_and_hdr_from",
      ["Return-Path: <A@b.example>", "From: a@B.example"],
      true,
    ],
    ["check_equal_from_domains", ["Return-Path: <a@x.b.example>", "From: c@b.example"], false],
    ["check_equal_from_domains", ["Return-Path: <a@d.example>", "From: c@b.example"], true],
    ["check_unresolved_template", ["X-A: %CUSTOM_B"], true],
    ["check_unresolved_template", ["Subject: %CUSTOM_B"], false],
    [
      "check_ratware_name_id",
      ["Message-ID: <ABCDEFGHIJKLMNOPQRSTUVWXYZAB.a@b.example>", 'From: "x" <a@b.example>'],
      true,
    ],
    [
      "check_ratware_envelope_from",
      ["Return-Path: <shop.co.uk-joe@c.example>", "To: joe@www.shop.co.uk"],
      true,
    ],
    [
      "check_ratware_envelope_from",
      ["Return-Path: <c@c.example>", "To: joe@www.shop.co.uk"],
      false,
    ],
    [
      "check_messageid_not_usable",
      [RECEIVED, "List-Unsubscribe: <mailto:leave-x@b.example>"],
      true,
    ],
    ["check_messageid_not_usable", [RECEIVED], false],
    ["check_for_unique_subject_id", ["Subject: a 123"], false],
    ["sorted_recipients", [`To: ${[..."abcdefg"].map((c) => `${c}@x.example`).join(", ")}`], true],
    ["sorted_recipients", [`To: ${[..."abcdegf"].map((c) => `${c}@x.example`).join(", ")}`], false],
    [
      "similar_recipients(0.65, undef)",
      [`To: ${[..."12345"].map((c) => `ab${c}@x.example`).join(", ")}`],
      true,
    ],
    ["similar_recipients(0.65, undef)", ["To: ab1@x.example, ab2@x.example"], false],
  ])("%s of %j: %s", (call, fields, expected) => {
    expect(ask(call, { fields })).toBe(expected);
  });

  it("knows charsets from far away", () => {
    const fields = ["Subject: =?koi8-r?Q?x?= =?big5?Q?y?="];
    const far = (locales: string): boolean =>
      ask("check_for_faraway_charset_in_headers", { fields, cf: `ok_locales ${locales}` });
    expect([far("all"), far("ru zh"), far("ru"), far("en")]).toEqual([false, false, true, true]);
  });
});

describe("times", () => {
  const shifted = (date: string, least: string, less: string, fields = [RECEIVED]): boolean =>
    ask(`check_for_shifted_date(${least}, ${less})`, { fields: [...fields, `Date: ${date}`] });

  it("compares Date with the nearest Received", () => {
    expect(shifted("Tue, 23 May 2006 17:06:35 +0000", "3", "6")).toBe(true);
    expect(shifted("Tue, 23 May 2006 13:06:35 +0000", "3", "6")).toBe(false);
    expect(shifted("Mon, 22 May 2006 01:06:35 +0000", "-48", "-24")).toBe(true);
    expect(shifted("Fri, 23 May 2008 13:06:35 +0000", "2920", "undef")).toBe(true);
    expect(shifted("whenever", "undef", "undef")).toBe(true);
    expect(shifted("Tue, 23 May 2006 17:06:35 +0000", "3", "6", [])).toBe(false);
  });

  it("knows how many months ago it was", () => {
    const now = Date.parse("2006-08-23T13:06:35Z");
    const fields = [RECEIVED, `Date: ${DATE}`];
    expect(ask("received_within_months(undef, 4)", { fields, now })).toBe(true);
    expect(ask("received_within_months(4, 6)", { fields, now })).toBe(false);
  });

  it("reads the time in Outlook's ids", () => {
    const seconds = Date.parse("2006-05-23T13:06:35Z") / 1000;
    const token = Math.trunc(seconds * 0.0023283064365387 + 27111902.8329849);
    const id = (value: number): string =>
      `Message-ID: <0001${value.toString(16).padStart(8, "0")}$12345678$9abcdef0@x>`;
    const wrong = (value: number): boolean =>
      ask("check_outlook_message_id", { fields: [RECEIVED, `Date: ${DATE}`, id(value)] });
    expect([wrong(token), wrong(token + 249), wrong(token + 250)]).toEqual([false, false, true]);
  });
});

describe("big mail services", () => {
  const hotmail = hop("192.0.2.1", { helo: "hotmail.com", rdns: "f1.law8.hotmail.com" });

  it.each([
    [
      "check_for_forged_hotmail_received_headers",
      [hop("192.0.2.1", { helo: "hotmail.com" })],
      true,
    ],
    [
      "check_for_forged_hotmail_received_headers",
      [hotmail, "X-Originating-IP: [192.0.2.9]"],
      false,
    ],
    ["check_for_no_hotmail_received_headers", [RECEIVED, "From: a@hotmail.com"], true],
    ["check_for_no_hotmail_received_headers", [RECEIVED, "From: a@b.example"], false],
    ["check_for_no_hotmail_received_headers", ["From: a@hotmail.com"], false],
    ["check_for_forged_yahoo_received_headers", [RECEIVED, "From: a@yahoo.com"], true],
    [
      "check_for_forged_yahoo_received_headers",
      [hop("192.0.2.1", { rdns: "mta1.yahoo.com" }), "From: a@yahoo.com"],
      false,
    ],
    ["check_for_forged_juno_received_headers", [RECEIVED, "From: a@juno.com"], true],
    [
      "check_for_forged_juno_received_headers",
      [
        hop("192.0.2.1", { rdns: "mx.juno.com" }),
        "From: a@juno.com",
        "X-Originating-IP: 192.0.2.9",
        "X-Mailer: Juno 5.0",
      ],
      false,
    ],
    ["check_for_forged_eudoramail_received_headers", [RECEIVED, "From: a@eudoramail.com"], true],
    ["check_for_forged_gmail_received_headers", [RECEIVED, "From: a@gmail.com"], true],
    [
      "check_for_forged_gmail_received_headers",
      [RECEIVED, "From: a@gmail.com", "X-Received: by 10.1.2.3 with SMTP id ab"],
      false,
    ],
    [
      "check_for_fake_aol_relay_in_rcvd",
      ["Received: from a by rly-xw01.mx.aol.com with QMQP"],
      true,
    ],
    [
      "check_for_fake_aol_relay_in_rcvd",
      ["Received: from a rly-xw01.mx.aol.com with ESMTP id RELAYIN7"],
      false,
    ],
    ["gated_through_received_hdr_remover", [], true],
    ["gated_through_received_hdr_remover", [RECEIVED], false],
    [
      "gated_through_received_hdr_remover",
      ["Received: from groups.msn.com (a.msn.com [192.0.2.1]) by b"],
      true,
    ],
    [
      "check_for_forged_gw05_received_headers",
      [RECEIVED, "Received: from a.example by gw05 with ESMTP; Thu, 21 Jun 2001 02:28:32 -0400"],
      true,
    ],
    [
      "check_for_msn_groups_headers",
      [
        "Received: from mail pickup service by p04.groups.msn.com with Microsoft SMTPSVC; " + DATE,
        "To: <notifications@groups.msn.com>",
        "Message-Id: <ab@p04.groups.msn.com>",
      ],
      true,
    ],
  ])("%s of %j: %s", (call, fields, expected) => {
    expect(ask(call, { fields })).toBe(expected);
  });
});
