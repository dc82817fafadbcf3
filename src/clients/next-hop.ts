// Where mail goes over SMTP or LMTP, as the operator writes it: "smtp:127.0.0.1:10026", "lmtp:unix:/run/dovecot/lmtp".
// Read by the configuration, used by the client in smtp.ts.

export interface NextHop {
  readonly protocol: "smtp" | "lmtp";
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  /** As replies and logs name it, amavis' form: "smtp:[127.0.0.1]:10026", "lmtp:unix:/run/dovecot/lmtp". */
  readonly name: string;
}

/** sun_path of Linux holds 107 octets and a NUL. */
const MAX_SOCKET_PATH = 107;

/**
 * Reads `smtp:host:port`, `lmtp:host:port` or either with `unix:/absolute/path`; the host may stand in brackets and must
 * when it is IPv6. Null for anything else.
 */
export function parseNextHop(text: string): NextHop | null {
  const match =
    /^(smtp|lmtp):(?:unix:(\/[^\0\r\n]*)|(\[[0-9A-Za-z.:_-]+\]|[0-9A-Za-z._-]+):(\d{1,5}))$/.exec(
      text,
    );
  if (match === null) return null;
  const protocol = match[1] as "smtp" | "lmtp";
  const path = match[2];
  if (path !== undefined) {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH) return null;
    return { protocol, at: { path }, name: `${protocol}:unix:${path}` };
  }
  const host = (match[3] as string).replace(/^\[|\]$/g, "");
  const port = Number(match[4]);
  if (port < 1 || port > 65535) return null;
  return { protocol, at: { host, port }, name: `${protocol}:[${host}]:${port}` };
}
