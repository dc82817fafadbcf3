// ESMTP parameters of MAIL and RCPT: which are taken (RFC 1870, 6152, 6531, 3461, 4954). They are passed on as they came;
// only what this listener promises with its EHLO lines is looked at.
import { reject, type Reply } from "../mail/reply.ts";
import type { SmtpOptions } from "./smtp.ts";

type Limits = Pick<SmtpOptions, "maxBytes" | "dsn" | "parameters">;

/** The reply that refuses MAIL for its parameters; null when all can be taken. */
export function mailParameterFault(params: readonly string[], limits: Limits): Reply | null {
  for (const param of params) {
    const [keyword, value] = split(param);
    switch (keyword) {
      case "SIZE":
        if (!/^[0-9]{1,20}$/.test(value)) return reject(501, "5.5.4", "Bad SIZE parameter");
        if (limits.maxBytes > 0 && Number(value) > limits.maxBytes) {
          return reject(552, "5.3.4", "Message size exceeds the limit");
        }
        break;
      case "BODY":
        if (limits.parameters === "known" && !/^(?:7BIT|8BITMIME)$/i.test(value)) {
          return reject(555, "5.5.4", "BODY type not supported");
        }
        break;
      case "SMTPUTF8":
      case "AUTH":
        break;
      case "RET":
      case "ENVID":
        if (!limits.dsn && limits.parameters === "known") return unknown(keyword);
        break;
      default:
        if (limits.parameters === "known") return unknown("MAIL");
    }
  }
  return null;
}

/** The reply that refuses RCPT for its parameters; null when all can be taken. */
export function rcptParameterFault(params: readonly string[], limits: Limits): Reply | null {
  if (limits.parameters === "any") return null;
  for (const param of params) {
    const [keyword] = split(param);
    const known = limits.dsn && (keyword === "NOTIFY" || keyword === "ORCPT");
    if (!known) return unknown("RCPT");
  }
  return null;
}

function unknown(what: string): Reply {
  return reject(555, "5.5.4", `${what} parameter not supported`);
}

function split(param: string): [keyword: string, value: string] {
  const equals = param.indexOf("=");
  if (equals < 0) return [param.toUpperCase(), ""];
  return [param.slice(0, equals).toUpperCase(), param.slice(equals + 1)];
}
