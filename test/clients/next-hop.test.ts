import { expect, test } from "vitest";
import { parseNextHop } from "../../src/clients/next-hop.ts";

test.each([
  ["smtp:127.0.0.1:10026", "smtp:[127.0.0.1]:10026", { host: "127.0.0.1", port: 10026 }],
  ["smtp:[127.0.0.1]:10026", "smtp:[127.0.0.1]:10026", { host: "127.0.0.1", port: 10026 }],
  ["lmtp:[::1]:24", "lmtp:[::1]:24", { host: "::1", port: 24 }],
  [
    "smtp:mx-1.example.org:25",
    "smtp:[mx-1.example.org]:25",
    { host: "mx-1.example.org", port: 25 },
  ],
  ["lmtp:unix:/run/dovecot/lmtp", "lmtp:unix:/run/dovecot/lmtp", { path: "/run/dovecot/lmtp" }],
  ["smtp:unix:/run/x", "smtp:unix:/run/x", { path: "/run/x" }],
])("%s", (text, name, at) => {
  expect(parseNextHop(text)).toEqual({ protocol: text.slice(0, 4), at, name });
});

test.each([
  "",
  "local",
  "smtp:",
  "smtp:host",
  "smtp:host:0",
  "smtp:host:65536",
  "smtp:host:25x",
  "smtp:::1:25",
  "http:host:25",
  "smtp:host:25\r\n",
  "lmtp:unix:relative",
  "lmtp:unix:/a\0b",
  `lmtp:unix:/${"x".repeat(107)}`,
  "SMTP:host:25",
  "smtp:a b:25",
])("not %j", (text) => {
  expect(parseNextHop(text)).toBeNull();
});
