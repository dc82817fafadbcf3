// The senders of the greylist simulation, and their mail over thirty days. Everything is drawn from one seed, so that each run has
// the same world. The ranges and where they come from:
//  - zombies on DNS lists, 30–90 %: 80 % of spam sources were on one of seven lists (Jung, Sit: An Empirical Study of Spam Traffic
//    and the Use of DNS Black Lists, IMC 2004); far fewer in the first hours of a bot (Ramachandran, Dagon, Feamster: Can DNS-Based
//    Blacklists Keep Up with Bots?, CEAS 2006).
//  - bots that retry, 0–30 %: hardly any at first (Harris: The Next Step in the Spam Control War: Greylisting, 2003; Levine:
//    Experiences with Greylisting, CEAS 2005), more since then.
//  - mail of senders with pools of networks, 10–60 %: what a few providers carry for how many domains, by kind of domain (Liu et
//    al.: Who's Got Your Mail?, IMC 2021).
//  - retries of mail servers: at least 30 minutes apart by RFC 5321 4.5.4.1; in practice Postfix starts at 300 s and doubles up to
//    4000 s, Exim retries every 15 minutes, qmail after 400, 1600, 3600 s …
//  - names, greetings and SPF of hosts, and how much good mail scores 3 to 10 (1 %), are our own estimates: 7 of 100 ordinary mail
//    servers look suspicious, and 2 of 100 of their mails fail SPF because they were forwarded.
export const S = 1000;
export const MIN = 60 * S;
export const HOUR = 60 * MIN;
export const DAY = 24 * HOUR;

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** What DNS and the dialogue show of a host. */
export interface Host {
  readonly address: string;
  /** null = none, or one that does not lead back. */
  readonly name: string | null;
  readonly helo: string;
  readonly listed: boolean;
}

export interface Mail {
  readonly good: boolean;
  readonly at: number;
  readonly sender: string;
  readonly recipient: string;
  /** The host of the nth try. */
  readonly host: (attempt: number) => Host;
  /** Milliseconds from one try to the next; null = gives up. */
  readonly retry: (attempt: number) => number | null;
  readonly spf: "pass" | "fail" | "none";
  /** Signing domain, null = unsigned. */
  readonly dkim: string | null;
  readonly score: number;
  readonly text: string;
}

export interface WorldOptions {
  /** Shares from 0 to 1. */
  readonly listedZombies: number;
  readonly retryingBots: number;
  readonly poolMail: number;
}

const GOOD_MAILS = 700;
const BAD_MAILS = 500;
const SPAN = 30 * DAY;

/** All mail of one world, in no order. */
export function world(options: WorldOptions): readonly Mail[] {
  const random = draws(4711);
  const lists = 0.1;
  const mails: Mail[] = [];
  const servers = Array.from({ length: 60 }, (_, n) => ordinaryServer(n, random));
  const pools = Array.from({ length: 4 }, (_, n) => pool(n, random));
  const listHosts = Array.from({ length: 3 }, (_, n) => listHost(n, random));
  for (let n = 0; n < GOOD_MAILS; n++) {
    const kind = random();
    const at = random() * SPAN;
    if (kind < options.poolMail) mails.push(pick(pools, random)(at));
    else if (kind < options.poolMail + lists) mails.push(pick(listHosts, random)(at));
    else mails.push(pick(servers, random)(at));
  }
  for (let n = 0; n < BAD_MAILS; n++) mails.push(zombie(n, random() * SPAN, options, random));
  return mails;
}

type Source = (at: number) => Mail;

/** Few sources have most of the mail: the square pulls towards the first. */
function pick<T>(from: readonly T[], random: () => number): T {
  const item = from[Math.floor(random() ** 2 * from.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

const recipientOf = (random: () => number): string =>
  `user${Math.floor(random() ** 2 * 40)}@ours.example`;

const POSTFIX = (attempt: number): number | null =>
  attempt > 60 ? null : Math.min(300 * 2 ** (attempt - 1), 4000) * S;
const EXIM = (attempt: number): number | null => (attempt > 60 ? null : 15 * MIN);
const QMAIL = (attempt: number): number | null =>
  attempt > 20 ? null : 400 * S * ((attempt + 1) ** 2 - attempt ** 2);
const RFC = (attempt: number): number | null => (attempt > 40 ? null : 30 * MIN);
const MTAS = [POSTFIX, POSTFIX, EXIM, QMAIL, RFC] as const;

function ordinaryServer(n: number, random: () => number): Source {
  const domain = `company${n}.example`;
  const odd = random();
  const host: Host = {
    address: `20.${Math.floor(n / 200)}.${n % 200}.25`,
    name: odd < 0.02 ? null : odd < 0.04 ? `vps-20-0-${n % 200}-25.hoster.example` : `mx.${domain}`,
    helo: random() < 0.02 ? "mailserver" : `mx.${domain}`,
    listed: random() < 0.01,
  };
  const retry = pick(MTAS, random);
  const users = 1 + Math.floor(random() * 5);
  const signs = random() < 0.6;
  return (at) => ({
    good: true,
    at,
    sender: `person${Math.floor(random() * users)}@${domain}`,
    recipient: recipientOf(random),
    host: () => host,
    retry,
    // Forwarded mail fails SPF.
    spf: random() < 0.02 ? "fail" : "pass",
    dkim: signs ? domain : null,
    score: random() < 0.01 ? 4 : 0.5,
    text: String(random()),
  });
}

/** A provider with 64 networks, many customers with domains of their own, and a queue that any of its hosts may take up. */
function pool(n: number, random: () => number): Source {
  const owner = `provider${n}.example`;
  const hosts = Array.from({ length: 64 }, (_, i): Host => {
    const name = `out${i}.mail.${owner}`;
    return { address: `40.${n}.${i}.${1 + (i % 250)}`, name, helo: name, listed: random() < 0.02 };
  });
  const signs = random() < 0.9;
  return (at) => {
    const domain = `customer${n}-${Math.floor(random() * 30)}.example`;
    return {
      good: true,
      at,
      sender: `person${Math.floor(random() * 4)}@${domain}`,
      recipient: recipientOf(random),
      host: () => hosts[Math.floor(random() * hosts.length)] as Host,
      retry: (attempt) => (attempt > 30 ? null : Math.min(5 * 2 ** (attempt - 1), 120) * MIN),
      spf: random() < 0.95 ? "pass" : "none",
      dkim: signs ? domain : null,
      score: random() < 0.01 ? 4 : 0.5,
      text: String(random()),
    };
  };
}

function listHost(n: number, random: () => number): Source {
  const domain = `lists${n}.example`;
  const name = `mail.${domain}`;
  const host: Host = { address: `60.${n}.1.25`, name, helo: name, listed: false };
  let serial = 0;
  return (at) => {
    const recipient = recipientOf(random);
    serial += 1;
    return {
      good: true,
      at,
      sender: `topic${n}-bounces-${serial}+${recipient.replace("@", "=")}@${domain}`,
      recipient,
      host: () => host,
      retry: POSTFIX,
      spf: "pass",
      dkim: domain,
      score: random() < 0.01 ? 4 : 0.5,
      text: String(random()),
    };
  };
}

function zombie(n: number, at: number, options: WorldOptions, random: () => number): Mail {
  const address = `90.${Math.floor(n / 250)}.${n % 250}.${1 + Math.floor(random() * 250)}`;
  const named = random();
  const host: Host = {
    address,
    name:
      named < 0.35
        ? null
        : named < 0.85
          ? `dsl-${address.replaceAll(".", "-")}.isp${n % 9}.example`
          : `host.isp${n % 9}.example`,
    helo: random() < 0.4 ? `PC-${n}` : `mail.isp${n % 9}.example`,
    listed: random() < options.listedZombies,
  };
  const retries = random() < options.retryingBots;
  return {
    good: false,
    at,
    sender: `x${Math.floor(random() * 1e9)}@forged${n % 50}.example`,
    recipient: recipientOf(random),
    host: () => host,
    retry: (attempt) => (retries && attempt < 6 ? (4 + random() * 26) * MIN : null),
    spf: random() < 0.35 ? "fail" : "none",
    dkim: null,
    score: random() < 0.6 ? 5 : 1,
    text: `campaign ${n % 20}`,
  };
}
