// From the attributes of a policy request to the question that checks are asked. Values are a stranger's: an address that is
// none stays a value that matches nothing, never the null sender. Called by answer-rcpt.ts.
import { canonicalDomain, parseAddress, type Address } from "../mail/address.ts";
import { canonicalIp, type Networks } from "../mail/ip.ts";
import type { RcptQuestion } from "../mail/message.ts";
import type { PolicyRequest } from "../mail/policy-request.ts";

/** The MTA's word for an address or name that it does not know. */
const UNKNOWN = "unknown";

/** `internal`: networks of our own users. */
export function questionOf(request: PolicyRequest, internal: Networks): RcptQuestion {
  const value = (name: string): string => request.get(name) ?? "";
  const known = (name: string): string | null => {
    const text = value(name);
    return text === "" || text.toLowerCase() === UNKNOWN ? null : text;
  };
  const address = canonicalIp(value("client_address"));
  const login = value("sasl_username") === "" ? null : value("sasl_username");
  const context = value("policy_context");
  const ours = login !== null || context === "submission" || internal.has(address);
  const sender = value("sender");
  return {
    client: {
      address,
      port: port(value("client_port")),
      // Postfix's client_name is verified in both directions; reverse_client_name is not, and is not used.
      name: known("client_name"),
      helo: value("helo_name") === "" ? null : value("helo_name"),
      protocol: value("protocol_name") === "" ? null : value("protocol_name"),
      ident: value("queue_id") === "" ? null : value("queue_id"),
      source: address === null ? null : "REMOTE",
    },
    login,
    sender: sender === "" || sender === "<>" ? null : (addressOf(sender) ?? nowhere(sender)),
    recipient: addressOf(value("recipient")),
    recipientCount: count(value("recipient_count")),
    size: count(value("size")),
    state: value("protocol_state").toUpperCase(),
    instance: value("instance"),
    context,
    origin: ours ? "outbound" : "inbound",
  };
}

/** An address as Postfix gives it, without the quotes that its local part may need; null when it is none. */
function addressOf(text: string): Address | null {
  const parsed = parseAddress(text);
  if (parsed !== null || text === "") return parsed;
  const at = text.lastIndexOf("@");
  const domain = at > 0 ? canonicalDomain(text.slice(at + 1)) : null;
  if (domain === null) return null;
  const local = text.slice(0, at);
  return parseAddress(`"${local.replace(/["\\]/g, "\\$&")}"@${domain}`);
}

/** A sender that is no address is still not the null sender. */
function nowhere(text: string): Address {
  return { raw: text, local: text, domain: "" };
}

function port(text: string): number | null {
  const value = count(text);
  return value > 0 && value < 65_536 ? value : null;
}

function count(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
