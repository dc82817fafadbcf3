// A real Dovecot that serves, over IMAP on loopback, the Maildir++ tree that postern wrote, with deploy/dovecot/postern.conf.
// It starts as root and reads the mail as vmail, as everywhere.
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { ImapFlow } from "imapflow";
import { deployed, run, textOf, until, type Peer } from "./lab.ts";
import { freePorts } from "./ports.ts";

export interface DovecotOptions {
  /** The lab's directory; Dovecot's own files lie in DIR/dovecot. */
  readonly dir: string;
  /** The passwd-file; deploy's /etc/postern/users. */
  readonly users: string;
}

export interface Stored {
  readonly source: Buffer;
  readonly size: number;
  readonly flags: readonly string[];
}

export interface Dovecot extends Peer {
  readonly imapPort: number;
  /** Auth service for Postfix's smtpd_sasl_path. */
  readonly saslPort: number;
  log(): Promise<string>;
  /** All messages of a folder as IMAP shows them, oldest first. */
  read(user: string, password: string, folder?: string): Promise<readonly Stored[]>;
  /** Folder paths, "/" between the levels. */
  folders(user: string, password: string): Promise<readonly string[]>;
  /** Those of them that the user is subscribed to. */
  subscribed(user: string, password: string): Promise<readonly string[]>;
  /** Makes folders, as a mail program does. */
  make(user: string, password: string, ...folders: readonly string[]): Promise<void>;
  /** Used and limit of the STORAGE quota in octets; null when there is none. */
  quota(
    user: string,
    password: string,
  ): Promise<{ readonly used: number; readonly limit: number } | null>;
}

function base(dir: string, imap: number, sasl: number): string {
  return `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/dovecot.log
ssl = no
disable_plaintext_auth = no
listen = 127.0.0.1
protocols = imap
first_valid_uid = 1
auth_verbose = yes
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = ${imap}
  }
  inet_listener imaps {
    port = 0
  }
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = ${sasl}
  }
}
`;
}

/** Starts Dovecot and returns when its IMAP port greets. */
export async function dovecot(options: DovecotOptions): Promise<Dovecot> {
  const dir = join(options.dir, "dovecot");
  const [imapPort = 0, saslPort = 0] = await freePorts(2);
  const config = join(dir, "dovecot.conf");
  const own = await deployed("dovecot/postern.conf", { "/etc/postern/users": options.users });
  await mkdir(join(dir, "run"), { recursive: true, mode: 0o755 });
  await writeFile(config, base(dir, imapPort, saslPort) + own);
  const daemon = spawn("/usr/sbin/dovecot", ["-F", "-c", config], {
    detached: true,
    stdio: "ignore",
  });
  const log = () => textOf(join(dir, "dovecot.log"));
  await until("Dovecot's port", async () => {
    if (daemon.exitCode !== null) {
      throw new Error(
        `dovecot ended: ${(await run("doveconf", ["-n", "-c", config])).stderr}${await log()}`,
      );
    }
    return greets(imapPort);
  });
  const session = async <T>(
    user: string,
    password: string,
    work: (client: ImapFlow) => Promise<T>,
  ): Promise<T> => {
    const auth = { user, pass: password };
    const client = new ImapFlow({
      host: "127.0.0.1",
      port: imapPort,
      secure: false,
      auth,
      logger: false,
    });
    // Without a listener a connection that breaks, even behind LOGOUT, would end the suite; whoever waits is told by a rejection.
    client.on("error", () => undefined);
    await client.connect();
    try {
      const result = await work(client);
      await client.logout();
      return result;
    } finally {
      client.close(); // after an error LOGOUT would hide it
    }
  };
  return {
    imapPort,
    saslPort,
    log,
    read: (user, password, folder = "INBOX") =>
      session(user, password, (client) => messagesOf(client, folder)),
    folders: (user, password) =>
      session(user, password, async (client) => (await client.list()).map((folder) => folder.path)),
    subscribed: (user, password) =>
      session(user, password, async (client) =>
        (await client.list()).filter((folder) => folder.subscribed).map((folder) => folder.path),
      ),
    make: (user, password, ...folders) =>
      session(user, password, async (client) => {
        for (const folder of folders) await client.mailboxCreate(folder);
      }),
    quota: (user, password) =>
      session(user, password, async (client) => {
        const found = await client.getQuota("INBOX");
        if (found === false || found.storage === undefined) return null;
        return { used: found.storage.usage ?? 0, limit: found.storage.limit ?? 0 };
      }),
    async stop() {
      await run("doveadm", ["-c", config, "stop"]);
      await until(
        "the end of Dovecot",
        () => daemon.exitCode !== null || daemon.signalCode !== null,
      );
    },
  };
}

async function messagesOf(client: ImapFlow, folder: string): Promise<readonly Stored[]> {
  const lock = await client.getMailboxLock(folder);
  try {
    const found: Stored[] = [];
    // 1:* of an empty folder is an error.
    if (client.mailbox === false || client.mailbox.exists === 0) return found;
    for await (const message of client.fetch("1:*", { source: true, size: true, flags: true })) {
      const { source, size, flags } = message;
      found.push({ source: source ?? Buffer.alloc(0), size: size ?? 0, flags: [...(flags ?? [])] });
    }
    return found;
  } finally {
    lock.release();
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(false));
  });
}
