// The server as a process: starts, refuses what it must, reloads, restarts a worker, stops. No other server is needed.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;
const RULES = new URL("../rules", import.meta.url).pathname;

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  until(pattern: RegExp): Promise<string>;
  exit(): Promise<number | null>;
}

let dir: string;
const started: Running[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "postern-serve-"));
  cpSync(RULES, join(dir, "rules"), { recursive: true });
  writeFileSync(
    join(dir, "postern.toml"),
    `[[listener]]\nprotocol = "smtp"\nlisten = "unix:${dir}/filter.sock"\nsocket_mode = "0600"\n` +
      `[[listener]]\nprotocol = "http"\nlisten = "unix:${dir}/http.sock"\n[delivery]\ndomains = ["ours.example"]\nunknown = "create"\n[spam]\nengine = "off"\n`,
  );
});

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.child.kill("SIGKILL");
    await one.exit();
  }
  rmSync(dir, { recursive: true });
});

function serve(...args: string[]): Running {
  return serving(MAIN, ...args);
}

function serving(main: string, ...args: string[]): Running {
  const child = spawn(
    process.execPath,
    [main, "serve", "--config", join(dir, "postern.toml"), ...args],
    { cwd: dir },
  );
  let output = "";
  const wake = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (data: Buffer) => {
      output += data.toString();
      for (const one of wake) one();
    });
  }
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const running: Running = {
    child,
    output: () => output,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match !== null) {
            wake.delete(look);
            resolve(match[0]);
          }
        };
        wake.add(look);
        void ended.then(() => reject(new Error(`ended: ${output}`)));
        look();
      }),
    exit: () => ended,
  };
  started.push(running);
  return running;
}

/** Sends one message in one write and resolves with everything the server said. */
function inject(body: string, to = "a@ours.example", where = "filter.sock"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(dir, where));
    let said = "";
    socket.on("data", (data) => (said += data.toString()));
    socket.on("error", reject);
    socket.on("close", () => resolve(said));
    socket.write(`EHLO x\r\nMAIL FROM:<s@remote.example>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
    socket.once("data", () => socket.write(`${body.replaceAll("\n", "\r\n")}\r\n.\r\nQUIT\r\n`));
  });
}

function get(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(dir, "http.sock"));
    let said = "";
    socket.on("data", (data) => (said += data.toString()));
    socket.on("error", reject);
    socket.on("end", () => resolve(said));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  });
}

describe("postern serve", () => {
  it("is ready within two seconds, takes mail, and stops when told", async () => {
    const began = Date.now();
    const server = serve();
    await server.until(/^ready: /m);
    expect(Date.now() - began).toBeLessThan(process.env["CI"] === undefined ? 4000 : 8000);
    expect(statSync(join(dir, "filter.sock")).mode & 0o777).toBe(0o600);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0 \S+ Saved/m);
    expect(readdirSync(join(dir, "var/mail/ours.example/a/Maildir/new"))).toHaveLength(1);
    // What root may enter in any case, an ordinary user must be able to enter.
    expect(statSync(join(dir, "var/mail/ours.example/a/Maildir/new")).mode & 0o777).toBe(0o700);
    expect(await get("/readyz")).toMatch(/^HTTP\/1\.1 200[\s\S]*ready/);
    expect(await get("/healthz")).toMatch(/^HTTP\/1\.1 200/);
    expect(await get("/metrics")).toMatch(
      /^postern_messages_total\{direction="Inbound",category="clean",disposition="accept"\} 1$/m,
    );
    expect(await get("/etc/passwd")).toMatch(/^HTTP\/1\.1 404/);
    server.child.kill("SIGTERM");
    expect(await server.exit()).toBe(0);
    expect(existsSync(join(dir, "filter.sock"))).toBe(false);
  });

  it("ends with 1 when an address is taken, and names it", async () => {
    await serve().until(/^ready: /m);
    writeFileSync(
      join(dir, "postern.toml"),
      `[server]\nstate_dir = "other"\n[[listener]]\nprotocol = "smtp"\nlisten = "unix:${dir}/none/filter.sock"\n`,
    );
    const second = serve();
    expect(await second.exit()).toBe(1);
    expect(second.output()).toMatch(/cannot listen on unix:\S+filter\.sock \(smtp, filter\): /);
  });

  it("says of a taken port what to do", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    writeFileSync(
      join(dir, "postern.toml"),
      `[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:${port}"\n`,
    );
    const server = serve();
    expect(await server.exit()).toBe(1);
    expect(server.output()).toMatch(
      /cannot listen on 127\.0\.0\.1:\d+ \(smtp, filter\): .*EADDRINUSE.*: another program has this address/,
    );
    other.close();
  });

  it("says of a directory that it cannot use which it is and what it must be", async () => {
    writeFileSync(join(dir, "plain"), "");
    writeFileSync(join(dir, "postern.toml"), '[server]\nstate_dir = "plain"\n');
    const server = serve();
    expect(await server.exit()).toBe(1);
    expect(server.output()).toMatch(
      /^postern: \[server\] state_dir: \S+\/plain cannot be used \(EEXIST\): it must be a directory/,
    );
  });

  it("names the file that is no database", async () => {
    mkdirSync(join(dir, "var"));
    writeFileSync(join(dir, "var/state.db"), "no database at all\n".repeat(100));
    const server = serve();
    expect(await server.exit()).toBe(1);
    expect(server.output()).toMatch(
      /^postern: \S+\/var\/state\.db cannot be used: file is not a database$/m,
    );
  });

  it("takes one Ctrl-C that comes twice, from the terminal and from a launcher, for one", async () => {
    const server = serve();
    await server.until(/^ready: /m);
    const socket = connect(join(dir, "filter.sock"));
    const heard: string[] = [];
    socket.on("data", (data) => heard.push(data.toString()));
    socket.write("EHLO x\r\nMAIL FROM:<s@remote.example>\r\nRCPT TO:<a@ours.example>\r\nDATA\r\n");
    await vi.waitFor(() => expect(heard.join("")).toMatch(/^354/m), 5000);
    server.child.kill("SIGINT");
    await server.until(/SIGINT: finishing/);
    server.child.kill("SIGINT");
    socket.write("Subject: hi\r\n\r\nhello\r\n.\r\n");
    await vi.waitFor(() => expect(heard.join("")).toMatch(/^250 2\.0\.0 \S+ Saved/m), 5000);
    expect(await server.exit()).toBe(0);
  });

  it("refuses a second instance on the same state_dir", async () => {
    await serve().until(/^ready: /m);
    const second = serve();
    expect(await second.exit()).toBe(1);
    expect(second.output()).toMatch(/another postern runs on/);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
  });

  it("keeps the last good rules when a line is wrong, also over a restart, and takes new ones by itself", async () => {
    const server = serve();
    await server.until(/^ready: /m);
    writeFileSync(join(dir, "rules/local.d/senders.rules"), 'denny .remote.example "no"\n');
    await server.until(/rules\/local\.d\/senders\.rules:1: .*did you mean.*deny/);
    expect(await get("/readyz")).toMatch(
      /last good rules are kept: rules\/local\.d\/senders\.rules:1/,
    );
    expect(await get("/metrics")).toMatch(/^postern_rules_load_success 0$/m);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
    server.child.kill("SIGTERM");
    await server.exit();

    const again = serve();
    await again.until(/^ready: /m);
    expect(again.output()).toMatch(/starting with the last good ones/);
    writeFileSync(join(dir, "rules/local.d/senders.rules"), "");
    writeFileSync(
      join(dir, "rules/local.d/banned.rules"),
      'deny *.foo "no foo" "We take no foo"\n',
    );
    await again.until(/^rules [0-9a-f]+ loaded/m);
    // The first of the two files may have been read alone, and a worker has new rules a moment after they are loaded.
    await vi.waitFor(async () => {
      const said = await inject('Subject: hi\nContent-Type: text/plain; name="x.foo"\n\nhello');
      expect(said).toMatch(/^250 2\.7\.0 Ok, discarded, id=\S+ - We take no foo/m);
    }, 10_000);
  });

  it("does not start with rules that never compiled", async () => {
    writeFileSync(join(dir, "rules/local.d/policy.rules"), "fate virus sometimes discard\n");
    const server = serve();
    expect(await server.exit()).toBe(2);
    expect(server.output()).toMatch(/rules\/local\.d\/policy\.rules:1: /);
  });

  it("replaces a worker that dies", async () => {
    const server = serve();
    await server.until(/^ready: /m);
    const worker = readdirSync(
      `/proc/${server.child.pid ?? 0}/task/${server.child.pid ?? 0}/`,
    ).includes("children")
      ? Number(
          (await import("node:fs"))
            .readFileSync(
              `/proc/${server.child.pid ?? 0}/task/${server.child.pid ?? 0}/children`,
              "utf8",
            )
            .trim()
            .split(" ")[0],
        )
      : 0;
    expect(worker).toBeGreaterThan(0);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
    const counted = /^postern_messages_total\{[^}]*\} 1$/m;
    expect(await get("/metrics")).toMatch(counted);
    process.kill(worker, "SIGKILL");
    await server.until(/worker \d+ ended \(SIGKILL\)/);
    // A scrape has said it: no later one may say less.
    expect(await get("/metrics")).toMatch(counted);
    expect(await get("/metrics")).toMatch(/^postern_worker_ends_total\{reason="crashed"\} 1$/m);
    for (let tries = 0; tries < 100; tries++) {
      if (/200/.test((await get("/readyz")).split("\r\n")[0] ?? "")) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
  });

  it("takes a changed configuration on SIGHUP, and keeps the old one when it is wrong", async () => {
    const server = serve();
    await server.until(/^ready: /m);
    const good = readFileSync(join(dir, "postern.toml"), "utf8");
    writeFileSync(join(dir, "postern.toml"), `${good}[server]\nworker_memory = "1M"\n`);
    server.child.kill("SIGHUP");
    const lines = good.split("\n").length;
    await server.until(
      new RegExp(`postern\\.toml:${lines + 1}: server\\.worker_memory: expected at least 192M`),
    );
    expect(await get("/readyz")).toMatch(/last good configuration is kept: .*postern\.toml:/);
    writeFileSync(join(dir, "postern.toml"), `${good}[server]\nstate_dir = "other"\n`);
    server.child.kill("SIGHUP");
    await server.until(/postern\.toml:\d+: server\.state_dir: cannot change while postern runs/);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
    writeFileSync(
      join(dir, "postern.toml"),
      good.replace(`unix:${dir}/filter.sock`, `unix:${dir}/other.sock`).replace("0600", "0640"),
    );
    server.child.kill("SIGHUP");
    await server.until(/configuration loaded from .*new workers took over/);
    expect(statSync(join(dir, "other.sock")).mode & 0o777).toBe(0o640);
    expect(await get("/readyz")).not.toMatch(/kept/);
    expect(await inject("Subject: hi\n\nhello", "a@ours.example", "other.sock")).toMatch(
      /^250 2\.0\.0/m,
    );
    server.child.kill("SIGTERM");
    expect(await server.exit()).toBe(0);
    expect(existsSync(join(dir, "other.sock"))).toBe(false);
  });

  it("changes to the program on disk on SIGUSR2, unless its seam differs", async () => {
    const source = new URL("..", import.meta.url).pathname;
    cpSync(join(source, "src"), join(dir, "src"), { recursive: true });
    cpSync(join(source, "package.json"), join(dir, "package.json"));
    symlinkSync(join(source, "node_modules"), join(dir, "node_modules"));
    const server = serving(join(dir, "src/main.ts"));
    await server.until(/^ready: /m);
    const edit = (name: string, from: string, to: string): void => {
      const path = join(dir, "src", name);
      const text = readFileSync(path, "utf8");
      expect(text).toContain(from);
      writeFileSync(path, text.replace(from, to));
    };
    edit("servers/smtp-session.ts", '"ESMTP"} postern', '"ESMTP"} newer');
    edit("config-schema.ts", "export const schema", "// another shape\nexport const schema");
    server.child.kill("SIGUSR2");
    await server.until(/no upgrade: the new program differs in its configuration/);
    expect(await inject("Subject: hi\n\nhello")).toMatch(
      /^220 \S+ ESMTP postern\r\n[^]*^250 2\.0\.0/m,
    );
    edit("config-schema.ts", "// another shape\n", "");
    server.child.kill("SIGUSR2");
    await server.until(/new workers of the program on disk took over/);
    await expect
      .poll(() => inject("Subject: hi\n\nhello"), { timeout: 5000 })
      .toMatch(/^220 \S+ ESMTP newer\r\n[^]*^250 2\.0\.0/m);
    // A program that cannot start changes nothing.
    edit(
      "servers/smtp-session.ts",
      "export class Session",
      "throw new Error('broken');\nexport class Session",
    );
    server.child.kill("SIGUSR2");
    await server.until(/no upgrade: worker \d+ ended before it was ready/);
    expect(await inject("Subject: hi\n\nhello")).toMatch(
      /^220 \S+ ESMTP newer\r\n[^]*^250 2\.0\.0/m,
    );
  });

  it("ends its workers when the supervisor is killed, and the socket is free again", async () => {
    const server = serve();
    await server.until(/^ready: /m);
    server.child.kill("SIGKILL");
    await server.exit();
    const next = serve();
    await next.until(/^ready: /m);
    expect(await inject("Subject: hi\n\nhello")).toMatch(/^250 2\.0\.0/m);
  });

  it("refuses a configuration with exit code 2 and a suggestion", async () => {
    writeFileSync(join(dir, "postern.toml"), "[limits]\nmesage_size = 1\n");
    const server = serve();
    expect(await server.exit()).toBe(2);
    expect(server.output()).toMatch(
      /postern\.toml:2: unknown key "limits\.mesage_size" \(did you mean "message_size"\?\)/,
    );
  });
});
