// What the _TAGS_ in questions to DNS stand for. Called by dns.ts.
import type { Subject } from "../subject.ts";
import { idnToAscii } from "../uri/idn.ts";
import { reversedIp } from "./dns-question.ts";
import type { DkimSignature } from "./eval.ts";

/** Of DKIM signatures that hold, by tag. */
export function dkimTags(signatures: readonly DkimSignature[]): Map<string, readonly string[]> {
  const valid = signatures.filter(({ result }) => result === "pass");
  const each = (of: (signature: DkimSignature) => string | null): readonly string[] => [
    ...new Set(valid.map(of).filter((text): text is string => text !== null && text !== "")),
  ];
  return new Map([
    ["DKIMDOMAIN", each(({ domain }) => domain)],
    ["DKIMIDENTITY", each(({ identity, domain }) => identity ?? `@${domain}`)],
    ["DKIMSELECTOR", each(({ selector }) => selector)],
  ]);
}

/** Of `set` first, else made of the message; empty when there is none. `hosts`: those that URI lists are asked about. */
export function tagValues(
  subject: Subject,
  set: ReadonlyMap<string, readonly string[]>,
  hosts: ReadonlyMap<string, string>,
): (tag: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (tag) => {
    const given = set.get(tag);
    if (given) return given;
    let values = known.get(tag);
    if (!values) known.set(tag, (values = make(tag, subject, hosts)));
    return values;
  };
}

function make(tag: string, subject: Subject, hosts: ReadonlyMap<string, string>): string[] {
  const header = /^HEADER\((.*)\)$/.exec(tag)?.[1];
  if (header !== undefined) return subject.getAll(header).map((value) => value.trim());
  const last = subject.relays.external[0];
  switch (tag) {
    case "URIHOSTS":
      return [...hosts.keys()].sort();
    case "URIDOMAINS":
      return [...new Set(hosts.values())].sort();
    case "SENDERDOMAIN":
      return ascii(subject.getAll("EnvelopeFrom:first:addr:host").slice(0, 1));
    case "AUTHORDOMAIN":
      return ascii(subject.getAll("From:addr:host"));
    case "LASTEXTERNALIP":
      return last ? [last.ip] : [];
    case "LASTEXTERNALREVIP":
      return last ? [reversedIp(last.ip) ?? ""] : [];
    case "LASTEXTERNALRDNS":
      return last ? [last.rdns] : [];
    case "LASTEXTERNALHELO":
      return last ? [last.helo] : [];
    default:
      return [];
  }
}

function ascii(hosts: readonly string[]): string[] {
  return [...new Set(hosts.map((host) => idnToAscii(host.trim())))];
}
