// A whole mail host from the files of deploy/: Postfix takes mail in and asks the filter after the queue, postern-delivery writes the
// mailboxes, Dovecot serves them. Filter and delivery agent run as the users of their units; what leaves goes to a sink.
import { chmod, chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dovecot, type Dovecot } from "./dovecot.ts";
import { inject, type Injected } from "./inject.ts";
import { lab, type Lab, type Ran } from "./lab.ts";
import { freePorts } from "./ports.ts";
import { postfix, type Postfix } from "./postfix.ts";
import { filterPlaces, postern, type Postern } from "./postern.ts";
import { sink, type Sink } from "./sink.ts";
import { directoryOf, idsOf } from "./unit.ts";

export interface MailHost {
  readonly lab: Lab;
  readonly mta: Postfix;
  readonly filter: Postern;
  readonly delivery: Postern;
  readonly imap: Dovecot;
  /** Where mail to elsewhere goes: bounces to senders. */
  readonly sink: Sink;
  readonly mailRoot: string;
  readonly usersFile: string;
  /** Of postern-delivery. */
  readonly socket: string;
  /** From a stranger to Postfix. Addresses may hold any character; they go out as UTF-8. */
  send(to: string, data: Buffer, from?: string): Promise<Injected>;
  /** Straight to postern-delivery over LMTP. */
  deliver(to: string, data: Buffer, mailParams?: string): Promise<Injected>;
  /** postern user …, as root. */
  user(input: string, ...args: readonly string[]): Promise<Ran>;
}

export interface MailHostOptions {
  readonly domains: readonly string[];
  /** The file `virtual` of both rules directories. */
  readonly virtual?: string;
}

/** An address as the wire has it: inject() writes latin1. */
const onWire = (address: string) => Buffer.from(address).toString("latin1");

/** Starts all of it; on failure nothing stays. */
export async function mailHost(options: MailHostOptions): Promise<MailHost> {
  const room = await lab("host");
  try {
    return await host(room, options);
  } catch (error) {
    await room.cleanUp();
    throw error;
  }
}

async function host(room: Lab, { domains, virtual = "" }: MailHostOptions): Promise<MailHost> {
  const end = room.add(await sink());
  const [filterPort = 0, outboundPort = 0, httpPort = 0] = await freePorts(3);
  const ways = { filterPort, outboundPort, hookup: "after-queue", via: "smtp" } as const;
  // The first look at a recipient is Postfix's question to us; its default is to look for the answer every 3 s.
  const main = ["address_verify_poll_delay = 1s", "address_verify_poll_count = 30"];
  const mta = room.add(
    await postfix({ dir: room.dir, nextHop: end.port, ...ways, delivery: domains, main }),
  );
  const mailRoot = join(room.dir, "vmail");
  await directoryOf("vmail", mailRoot, 0o700);
  const usersFile = await userTable(room.dir);
  const socket = join(mta.deliveryDir, "lmtp.sock");
  const local = { 'domains = ["example.com"]': `domains = ${JSON.stringify(domains)}` };
  const rules = { virtual };
  const delivery = room.add(
    await postern({
      dir: room.dir,
      name: "agent",
      file: "delivery.toml",
      unit: "postern-delivery",
      rules,
      replace: {
        ...local,
        "/var/spool/postfix/postern-delivery/lmtp.sock": socket,
        "127.0.0.1:10025": `127.0.0.1:${mta.reinjectPort}`,
        "/var/vmail": mailRoot,
        "/etc/postern/users": usersFile,
      },
    }),
  );
  const places = { filterPort, outboundPort, httpPort, backPort: mta.reinjectPort };
  const filter = room.add(
    await postern({
      dir: room.dir,
      name: "filter",
      file: "postfix/after-queue.toml",
      unit: "postern",
      rules,
      replace: {
        ...local,
        ...filterPlaces({
          ...places,
          socket: mta.socket,
          deployedSocket: "/var/spool/postfix/postern",
        }),
        '#address_extension = "+"': 'address_extension = "+"',
      },
    }),
  );
  const imap = room.add(await dovecot({ dir: room.dir, users: usersFile }));
  const from = "ann@sender.example";
  return {
    lab: room,
    mta,
    filter,
    delivery,
    imap,
    sink: end,
    mailRoot,
    usersFile,
    socket,
    send: (to, data, sender = from) => {
      const xclient = { ADDR: "192.0.2.7", NAME: "mx.sender.example" };
      const utf8 = /[^\x00-\x7f]/.test(to) ? { mailParams: "SMTPUTF8" } : {};
      return inject({ port: mta.smtpPort, from: sender, to: [onWire(to)], data, xclient, ...utf8 });
    },
    deliver: (to, data, mailParams = "SMTPUTF8") =>
      inject({ path: socket, lmtp: true, from, to: [onWire(to)], data, mailParams }),
    user: (input, ...args) => delivery.feed(input, "user", ...args),
  };
}

/** As deploy/tmpfiles.d/postern.conf makes it: empty, and of the group that its readers are in. */
export async function userTable(dir: string): Promise<string> {
  const file = join(dir, "users");
  await writeFile(file, "");
  await chown(file, 0, (await idsOf("postern")).gid);
  await chmod(file, 0o640);
  return file;
}
