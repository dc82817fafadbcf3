// Whom greylisting leaves alone, at RCPT and at the end of DATA alike. Used by the greylist checks and `postern greylist explain`.
import type { Address } from "../mail/address.ts";
import type { Networks } from "../mail/ip.ts";
import type { RcptQuestion } from "../mail/message.ts";
import type { Finding } from "../verdict/finding.ts";

/** Our own users, and hosts that only pass mail on. */
export function isExempt(
  { client, origin, login }: Pick<RcptQuestion, "client" | "origin" | "login">,
  { internal, relays }: { readonly internal: Networks; readonly relays: Networks },
): boolean {
  return (
    login !== null ||
    origin === "outbound" ||
    internal.has(client.address) ||
    relays.has(client.address)
  );
}

/** Who must be reachable when everything else fails (RFC 5321 4.5.1, RFC 2142). */
export function isRole({ local }: Address): boolean {
  return /^(?:postmaster|abuse)$/i.test(local);
}

/** An allow line of the operator says so. */
export function isWaived({ raw }: Address, findings: readonly Finding[]): boolean {
  return findings.some(
    ({ recipient, waives }) =>
      waives?.includes("greylisted") === true && (recipient === undefined || recipient.raw === raw),
  );
}

/** Each recipient that greylisting is about, once. */
export function judgedRecipients(
  recipients: readonly { readonly address: Address }[],
  findings: readonly Finding[],
): readonly Address[] {
  const once = new Map(recipients.map(({ address }) => [address.raw, address]));
  return [...once.values()].filter((one) => !isRole(one) && !isWaived(one, findings));
}
