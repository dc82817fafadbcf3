// The kinds of values in postern.toml, each with the words that say what is expected. Used by config-schema.ts.
import { isIP } from "node:net";
import { z } from "zod";
import { parseEndpoint } from "./clients/endpoint.ts";

const UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};
const SPANS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

const A_TIME = 'a time such as "80s", "5m", "30d"';
const A_SIZE = 'a size such as "100M"';

/** "30d", "80s", "500ms" → milliseconds. */
export const duration = (
  fallback: string,
): z.ZodPipe<z.ZodDefault<z.ZodString>, z.ZodTransform<number, string>> =>
  z
    .string(A_TIME)
    .regex(/^\d+(ms|s|m|h|d)$/, A_TIME)
    .default(fallback)
    .transform((text) => {
      const unit = /[a-z]+$/.exec(text)?.[0] ?? "s";
      return Number.parseInt(text, 10) * (SPANS[unit] ?? 1000);
    });

/** "100M", "256K", 1048576 → octets. */
export const octets = (
  fallback: string,
): z.ZodPipe<
  z.ZodDefault<z.ZodUnion<readonly [z.ZodNumber, z.ZodString]>>,
  z.ZodTransform<number, string | number>
> =>
  z
    .union(
      [z.number().int(A_SIZE).nonnegative(A_SIZE), z.string().regex(/^\d+[kmgt]?$/i, A_SIZE)],
      A_SIZE,
    )
    .default(fallback)
    .transform((size) => {
      if (typeof size === "number") return size;
      return Number.parseInt(size, 10) * (UNITS[size.slice(-1).toLowerCase()] ?? 1);
    });

export const count = (fallback: number, min = 1): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(min).default(fallback);

export const hostPort = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/;
export const listen = z
  .string()
  .refine(
    (text) => hostPort.test(text) || text.startsWith("unix:"),
    'an address such as "127.0.0.1:10024", "[::1]:10024" or "unix:/run/postern/filter.sock"',
  );

export const network = z.string().refine((text) => {
  const [address = "", bits] = text.split("/");
  const version = isIP(address.replace(/^\[|\]$/g, ""));
  if (version === 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  );
}, 'a network such as "192.0.2.0/24" or "2001:db8::/32"');

export const relay = z
  .string()
  .refine(
    (text) =>
      text === "local" ||
      /^(smtp|lmtp):unix:\/./.test(text) ||
      (/^(smtp|lmtp):/.test(text) && hostPort.test(text.slice(5))),
    '"local", "smtp:127.0.0.1:10025", "lmtp:127.0.0.1:24" or "lmtp:unix:/path"',
  );

export const dnsServer = z
  .string()
  .refine(
    (text) =>
      isIP(text) !== 0 ||
      (hostPort.test(text) && isIP(text.replace(/^\[?(.*?)\]?:\d+$/, "$1")) !== 0),
    'an IP address such as "192.0.2.53", "127.0.0.1:5353" or "[2001:db8::53]:53"',
  );

/** Local services, in the order in which they are asked. */
export const endpoints = (example: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z
    .array(
      z.string().refine((text) => parseEndpoint(text) !== null, `an endpoint such as ${example}`),
    )
    .min(1)
    .max(8)
    .optional();
