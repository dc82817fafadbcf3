// Where a clamd listens: "unix:/run/clamav/clamd.ctl" or "tcp:127.0.0.1:3310", as [clamd] endpoints writes it. Read by the
// configuration and by the clamd clients.

export interface ClamdEndpoint {
  /** As written: for log, metrics and doctor. */
  readonly name: string;
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
}

/** Null when it is neither form. */
export function parseClamdEndpoint(text: string): ClamdEndpoint | null {
  if (/^unix:\/[^\0]{1,106}$/.test(text)) return { name: text, at: { path: text.slice(5) } };
  const tcp = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(tcp?.[3] ?? "0");
  if (tcp === null || port < 1 || port > 65_535) return null;
  return { name: text, at: { host: tcp[1] ?? tcp[2] ?? "", port } };
}
