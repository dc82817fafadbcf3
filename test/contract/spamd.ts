// What any spamd must give the client, the fake of the unit tests and a real one alike.
import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/clients/endpoint.ts";
import { spamd, type Spamd, type SpamdOptions } from "../../src/clients/spamd.ts";
import { askPing } from "../../src/clients/spamd-exchange.ts";
import { oneBuffer } from "../../src/engine/report.ts";
import type { Body } from "../../src/mail/message.ts";

const SIGNAL = new AbortController().signal;
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** A message with this body. */
export function letter(text: string): Body {
  return oneBuffer(
    Buffer.from(
      `Return-Path: <ann@sender.example>\r\nFrom: Ann <ann@sender.example>\r\nTo: bob@example.com\r\nSubject: the minutes\r\nDate: ${new Date().toUTCString()}\r\nMessage-ID: <20240101.x1y2z3.ann@sender.example>\r\n\r\n${text}\r\n`,
      "latin1",
    ),
  );
}

/** A client of these endpoints with short times. */
export function client(names: readonly string[], over: Partial<SpamdOptions> = {}): Spamd {
  return spamd({
    endpoints: names.flatMap((name) => parseEndpoint(name) ?? []),
    deadlineMs: 20_000,
    inFlight: 5,
    onResult() {},
    onHealth() {},
    ...over,
  });
}

/** `running` is asked when a case runs. */
export function spamdContract(what: string, running: () => string): void {
  describe(what, () => {
    const score = async (body: Body, user: string | null = null) => {
      const reply = await client([running()]).score(body, user, SIGNAL);
      if (reply.kind === "error") throw new Error(reply.why);
      const sum = reply.rules.reduce((all, rule) => all + rule.score, 0);
      return { ...reply, sum, names: reply.rules.map(({ name }) => name) };
    };

    it("answers PING", async () => {
      expect(await askPing(parseEndpoint(running())!.at, 10_000)).toBeNull();
    });

    it("knows GTUBE, by name and points", async () => {
      const { total, names, rules, endpoint, required } = await score(letter(GTUBE));
      expect(names).toContain("GTUBE");
      expect(rules.find(({ name }) => name === "GTUBE")?.score).toBe(1000);
      expect(total).toBeGreaterThan(900);
      expect([endpoint, required]).toEqual([running(), 5]);
    });

    it("gives rules that add up to its total, but for rounding", async () => {
      const { total, sum, rules } = await score(
        letter("We met on Monday and spoke about the budget."),
      );
      expect(total).toBeLessThan(5);
      expect(Math.abs(total - sum)).toBeLessThan(0.05 * rules.length + 0.11);
    });

    it("takes a user's name, and a message in pieces", async () => {
      const whole = letter("x".repeat(70).concat("\r\n").repeat(4000));
      const octets = whole.bytes?.[0] ?? Buffer.alloc(0);
      const lent = Buffer.alloc(10_000);
      const pieces: Body = {
        size: whole.size,
        bytes: null,
        open: () => {
          throw new Error("lend() is enough");
        },
        async *lend() {
          for (let at = 0; at < octets.length; at += lent.length)
            yield lent.subarray(0, octets.copy(lent, 0, at, at + lent.length));
        },
      };
      const [a, b] = [await score(pieces, "nobody"), await score(whole)];
      expect(a.names).toEqual(b.names);
      expect(a.total).toBe(b.total);
    });

    it("serves more messages than it takes at once", async () => {
      const results: string[] = [];
      const two = client([running()], { inFlight: 2, onResult: (result) => results.push(result) });
      await Promise.all(Array.from({ length: 6 }, () => two.score(letter(GTUBE), null, SIGNAL)));
      expect(results).toEqual(Array(6).fill("scored"));
    });

    it("lets a message go whose client has left", async () => {
      const reply = await client([running()]).score(letter("x"), null, AbortSignal.abort());
      expect(reply).toMatchObject({ kind: "error", failed: "given-up" });
    });
  });
}
