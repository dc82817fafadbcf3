// A real Prometheus scrapes a real postern with mail of every kind, a real clamd, spamd and DNS list: each query of the dashboard
// in deploy/grafana returns data, and what goes wrong shows in the alerts of deploy/prometheus.
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clamd, MARKER, type Clamd } from "./lab/clamd.ts";
import { inject } from "./lab/inject.ts";
import { lab, must, ROOT, run, until, type Lab } from "./lab/lab.ts";
import { have } from "./lab/peers.ts";
import { freePorts } from "./lab/ports.ts";
import { postern, type Postern } from "./lab/postern.ts";
import { prometheus, type Prometheus } from "./lab/prometheus.ts";
import { rbldnsd, type Rbldnsd } from "./lab/rbldnsd.ts";
import { SAMPLES } from "./lab/samples.ts";
import { sink, type Sink } from "./lab/sink.ts";
import { spamd, type Spamd } from "./lab/spamd.ts";
import { zipped } from "./lab/zipped.ts";

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** The queries of the dashboard as Grafana would send them for all instances, an interval of 20 s and a range of 5 minutes. */
async function queries(): Promise<readonly (readonly [title: string, query: string])[]> {
  const text = await readFile(join(ROOT, "deploy/grafana/postern.json"), "utf8");
  const { panels } = JSON.parse(text) as { panels: readonly Panel[] };
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => {
      const query = expr
        .replaceAll("$instance", ".+")
        .replaceAll("$__rate_interval", "20s")
        .replaceAll("$__range", "5m");
      return [title, query] as const;
    }),
  );
}

describe.skipIf(!have("root", "prometheus", "promtool", "clamd", "spamd", "rbldnsd"))(
  "seen by a real Prometheus",
  () => {
    let room: Lab;
    let scanner: Clamd;
    let scorer: Spamd;
    let lists: Rbldnsd;
    let end: Sink;
    let filter: Postern;
    let watcher: Prometheus;
    let [before, after, policyPort, httpPort] = [0, 0, 0, 0];
    let sent = 0;

    beforeAll(async () => {
      room = await lab("prometheus");
      scanner = room.add(await clamd(room.dir));
      scorer = room.add(await spamd(room.dir));
      lists = room.add(await rbldnsd(room.dir));
      end = room.add(
        await sink(0, { rcpt: (to) => (to.startsWith("gone") ? "550 5.1.1 gone" : undefined) }),
      );
      [before = 0, after = 0, policyPort = 0, httpPort = 0] = await freePorts(4);
      const more = `
[server]
hostname = "mx.example.com"
state_dir = "state"
rules_dir = "rules"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${before}"
mode = "before-queue"
[[listener]]
protocol = "smtp"
listen = "127.0.0.1:${after}"
[[listener]]
protocol = "policy"
listen = "127.0.0.1:${policyPort}"
[[listener]]
protocol = "http"
listen = "127.0.0.1:${httpPort}"
[next_hop]
relay = "smtp:127.0.0.1:${end.port}"
[delivery]
domains = ["example.com"]
[clamd]
endpoints = ["${scanner.unix}"]
[spamd]
endpoints = ["${scorer.name}"]
[dns]
servers = ["${lists.address}"]
budget = "1s"
timeout = "400ms"
`;
      const rules = { "dnsxl.rules": "list bl.test=127.0.0.[2..11]*3\nthreshold 5\n" };
      filter = room.add(await postern({ dir: room.dir, file: null, more, rules }));
      watcher = room.add(await prometheus(room.dir, httpPort));
    });
    afterAll(() => room?.cleanUp());

    const send = (port: number, data: Buffer, to: readonly string[], client: string) =>
      inject({
        port,
        from: "ann@sender.example",
        to,
        data,
        xforward: { ADDR: client, NAME: "[UNAVAILABLE]", HELO: "x" },
      });
    const letter = (text: string): Buffer =>
      Buffer.from(`Message-ID: <p${++sent}@x>\r\nSubject: lab\r\n\r\n${text}\r\n`);
    const archive = (): Buffer => {
      const content = zipped("notes.txt", Buffer.from("notes")).toString("base64");
      const head = `Message-ID: <p${++sent}@x>\r\nSubject: lab\r\nContent-Type: application/zip; name=n.zip`;
      return Buffer.from(
        `${head}\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n${content}\r\n`,
      );
    };
    const policy = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const socket = connect(policyPort, "127.0.0.1");
        socket.on("error", reject);
        socket.on("data", () => socket.end(() => resolve()));
        socket.write(
          `request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.${(sent++ % 250) + 1}\nclient_name=unknown\nsender=s${sent}@sender.example\nrecipient=user@example.com\ninstance=i${sent}\n\n`,
        );
      });

    /** Mail of every kind, once. */
    async function traffic(): Promise<void> {
      for (const { raw } of SAMPLES) await send(before, raw, ["user@example.com"], "192.0.2.7");
      await send(after, letter(MARKER), ["user@example.com"], "192.0.2.8");
      await send(after, archive(), ["user@example.com"], "192.0.2.9");
      await send(after, letter("hello"), ["user@example.com", "gone@example.com"], "192.0.2.9");
      await policy();
    }

    test("every query of the dashboard returns data", async () => {
      await traffic();
      await scanner.kill();
      await send(after, letter("unscanned"), ["user@example.com"], "192.0.2.9");
      await scanner.start();
      const all = await queries();
      expect(all.length).toBeGreaterThan(35);
      let empty: string[] = ["all"];
      await until(
        "data for every query",
        async () => {
          await traffic();
          const answers = await Promise.all(
            all.map(async ([title, query]) => {
              const series = await watcher.query(query);
              const numbers = series.filter(({ value }) => Number.isFinite(Number(value[1])));
              return numbers.length === 0 ? `${title}: ${query}` : null;
            }),
          );
          empty = answers.filter((answer) => answer !== null);
          return empty.length === 0;
        },
        90_000,
      ).catch((error: unknown) => {
        expect(empty, String(error)).toEqual([]);
      });
    });

    test("the dashboard counts what was sent, and promtool finds nothing to complain about", async () => {
      const count = async (): Promise<number> => {
        const [series] = await watcher.query("sum(postern_messages_total)");
        return Number(series?.value[1]);
      };
      await new Promise((resolve) => setTimeout(resolve, 2500));
      const earlier = await count();
      for (let n = 0; n < 5; n++)
        await send(after, letter("counted"), ["user@example.com"], "192.0.2.9");
      await until("five more", async () => (await count()) === earlier + 5);
      const page = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
      const checked = await run("promtool", ["check", "metrics"], { input: page });
      expect(checked.stdout + checked.stderr).toBe("");
      expect(page).not.toMatch(/sender\.example|user@/);
      await must("promtool", ["check", "rules", join(ROOT, "deploy/prometheus/alerts.yml")]);
    });

    test("a scanner, a scorer and rules that fail raise their alerts", async () => {
      expect(await watcher.alerts()).not.toContain("PosternDown");
      const pending = (name: string): Promise<void> =>
        expect
          .poll(
            async () => {
              await send(after, letter("x"), ["user@example.com"], "192.0.2.9");
              return watcher.alerts();
            },
            { timeout: 60_000, interval: 500 },
          )
          .toContain(name);
      // The scorer first: what is put off for want of a scanner is not scored.
      await scorer.kill();
      await pending("PosternSpamdAway");
      await scanner.kill();
      await pending("PosternClamdAway");
      await writeFile(join(filter.rulesDir, "local.d/banned.rules"), "no such verb\n");
      await pending("PosternRulesStale");
      await filter.stop();
      await until("PosternDown", async () => (await watcher.alerts()).includes("PosternDown"));
    });
  },
);
