// The listener of release links over a real socket: what it shows, what it refuses, and what it never does.
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { LinkAnswer, LinkedRelease } from "../../src/engine/linked-release.ts";
import { linksServer, type LinksOptions } from "../../src/servers/links.ts";
import type { Listener } from "../../src/servers/listener.ts";

const SHOWN = {
  id: "aaaaaaaaaaaa",
  sender: '"><script>alert(1)</script>@remote.test',
  recipient: "user@example.com",
  subject: `<img src=x onerror=alert(1)> & 'q' \u202e\u0000\r\n${"long ".repeat(200)}`,
  arrived: new Date("2026-11-21T12:00:00Z"),
  size: 12345,
  category: "spam",
} as const;
const ASK: LinkAnswer = { kind: "ask", shown: SHOWN, expires: new Date("2026-11-28T12:00:00Z") };

let server: Listener | null = null;
let calls: string[];
const errors: unknown[] = [];
afterEach(async () => {
  await server?.close(0);
  server = null;
  expect(errors.splice(0)).toEqual([]);
});

async function start(answer: LinkAnswer, over: Partial<LinksOptions> = {}): Promise<string> {
  calls = [];
  const links: LinkedRelease = {
    look: async (token) => {
      calls.push(`look ${token}`);
      return answer;
    },
    release: async (token, from) => {
      calls.push(`release ${token} ${from}`);
      return answer;
    },
  };
  server = linksServer({
    links,
    postmaster: "postmaster@example.com",
    allow: () => true,
    perMinute: 60,
    onRequest: () => {},
    onError: (error) => errors.push(error),
    ...over,
  });
  const { port } = (await server.listen({ host: "127.0.0.1", port: 0 })) as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

test("GET and HEAD look; the page runs and loads nothing, and shows no markup of the message", async () => {
  const url = await start(ASK);
  const got = await fetch(`${url}/some/prefix/release/abc.1.d_-.e?x=1`);
  expect(got.status).toBe(200);
  const html = await got.text();
  expect(html).toContain('<form method="post"><button type="submit">');
  expect(html).toContain("&lt;img src=x onerror=alert(1)&gt; &amp; &#39;q&#39; ????");
  expect(
    html.replace(
      /<!DOCTYPE html>|<\/?(?:html|head|meta|title|body|h1|p|dl|dt|dd|form|button)\b[^<>]*>/g,
      "",
    ),
  ).not.toMatch(/[<>]/);
  expect(html.length).toBeLessThan(3_000);
  expect(got.headers.get("content-security-policy")).toBe(
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  );
  expect(got.headers.get("referrer-policy")).toBe("no-referrer");
  expect(got.headers.get("cache-control")).toBe("no-store");
  const head = await fetch(`${url}/release/abc.1.d.e`, { method: "HEAD" });
  expect(await head.text()).toBe("");
  expect(calls).toEqual(["look abc.1.d_-.e", "look abc.1.d.e"]);
});

test("POST releases", async () => {
  const url = await start({ kind: "released", shown: SHOWN });
  const got = await fetch(`${url}/release/abc`, { method: "POST", body: "x".repeat(100_000) });
  expect(got.status).toBe(200);
  expect(await got.text()).toContain("The message was released");
  expect(calls).toEqual(["release abc 127.0.0.1"]);
});

test.each([
  ["already", { kind: "already", shown: SHOWN }, 409, "was released already"],
  ["invalid", { kind: "invalid" }, 403, "not valid"],
  ["expired", { kind: "expired" }, 410, "has expired"],
  ["gone", { kind: "gone" }, 410, "not kept any more"],
  ["forbidden", { kind: "forbidden", id: "aaaaaaaaaaaa" }, 403, "reference aaaaaaaaaaaa"],
  ["later", { kind: "later" }, 503, "Nothing was sent"],
  ["unsure", { kind: "unsure", id: "aaaaaaaaaaaa" }, 503, "may have been released"],
] as const)("%s", async (_name, answer, status, text) => {
  const got = await fetch(`${await start(answer)}/release/abc`, { method: "POST" });
  expect(got.status).toBe(status);
  const html = await got.text();
  expect(html).toContain(text);
  expect(html).not.toContain("<form");
});

test.each(["/", "/metrics", "/healthz", "/readyz", "/release/", "/release/a/b", "/release/%2e"])(
  "%s is not here",
  async (path) => {
    const got = await fetch(`${await start(ASK)}${path}`);
    expect(got.status).toBe(404);
    expect(calls).toEqual([]);
  },
);

test("other methods do nothing", async () => {
  const url = await start(ASK);
  for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"])
    expect((await fetch(`${url}/release/abc`, { method })).status).toBe(405);
  expect(calls).toEqual([]);
});

test("a client that asks too often waits; a proxy's clients are told apart by its last word", async () => {
  let now = 0;
  const url = await start(ASK, { perMinute: 2, clock: () => now });
  const ask = async (forwarded: string): Promise<number> => {
    const headers = { "X-Forwarded-For": forwarded };
    return (await fetch(`${url}/release/abc`, { headers })).status;
  };
  expect(await ask("192.0.2.1")).toBe(200);
  expect(await ask("192.0.2.9, 192.0.2.1")).toBe(200);
  expect(await ask("192.0.2.7, 192.0.2.1")).toBe(429);
  expect(await ask("192.0.2.2")).toBe(200);
  now = 60_000;
  expect(await ask("192.0.2.1")).toBe(200);
  expect(await ask("nonsense")).toBe(200);
  await fetch(`${url}/release/abc`, {
    method: "POST",
    headers: { "X-Forwarded-For": "2001:db8::1" },
  });
  expect(calls.at(-1)).toBe("release abc 2001:db8::1");
});

test("a peer that is not allowed gets nothing", async () => {
  const url = await start(ASK, { allow: () => false });
  await expect(fetch(`${url}/release/abc`)).rejects.toThrow();
  expect(calls).toEqual([]);
});

test("a header without an end is cut off, and so is a long one", async () => {
  const url = await start(ASK);
  const long = await fetch(`${url}/release/abc`, { headers: { X: "x".repeat(9_000) } });
  expect(long.status).toBe(431);
  const status = await new Promise<number>((resolve) => {
    request(`${url}/release/${"a".repeat(1_100)}`, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).end();
  });
  expect(status).toBe(404);
});
