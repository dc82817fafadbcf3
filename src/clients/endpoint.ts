// Where a local service listens: "unix:/run/spamd.sock" or "tcp:127.0.0.1:783", as the configuration writes it.

export interface Endpoint {
  /** As written: for log and doctor. */
  readonly name: string;
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
}

/** Null when it is neither form. sun_path of Linux holds 107 octets and a NUL. */
export function parseEndpoint(text: string): Endpoint | null {
  if (/^unix:\/[\x20-\x7e]{1,106}$/.test(text)) return { name: text, at: { path: text.slice(5) } };
  const tcp = /^tcp:(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/.exec(text);
  const port = Number(tcp?.[3] ?? "0");
  if (tcp === null || port < 1 || port > 65_535) return null;
  return { name: text, at: { host: tcp[1] ?? tcp[2] ?? "", port } };
}
