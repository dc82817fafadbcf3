import { test, describe, expect, it } from "vitest";
import { ConfigError, lineOf } from "../src/config-error.ts";
import { configFile, loadConfig, parseConfig } from "../src/config.ts";

const errors = (text: string): string => {
  try {
    parseConfig(text, "/etc/postern/postern.toml");
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
};

describe("errors name file and line", () => {
  it.each([
    [
      "unknown key with a suggestion",
      '[server]\nhostname = "a"\nwokers = 2\n',
      /^\/etc\/postern\/postern\.toml:3: unknown key "server\.wokers" \(did you mean "workers"\?\)$/,
    ],
    [
      "unknown table",
      "[serverr]\nworkers = 1\n",
      /:1: unknown key "serverr" \(did you mean "server"\?\)$/,
    ],
    ["bad value", '[server]\n\nworkers = "two"\n', /:3: server\.workers: expected number/],
    [
      "bad word",
      '[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:1"\nmode = "queue"\n',
      /:4: listener\.mode: expected one of "after-queue", "before-queue"$/,
    ],
    [
      "second listener",
      '[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:1"\n[[listener]]\nprotocol = "smtp"\nlisten = "nowhere"\n',
      /:6: listener\.listen: expected an address such as/,
    ],
    [
      "bad duration",
      '[limits]\ncheck_deadline = "soon"\n',
      /:2: limits\.check_deadline: expected a time/,
    ],
    [
      "folder name that leaves the mailbox",
      '[delivery]\ncreate_folders = ["Junk", "../x"]\n',
      /:2: delivery\.create_folders \(entry 2\): expected a folder name$/,
    ],
    ["bad network", '[networks]\ninternal = ["10.0.0.0/33"]\n', /:2: networks\.internal/],
    [
      "a time without a unit",
      "[greylist]\ndelay = 300\n",
      /:2: greylist\.delay: expected a time such as "80s", "5m", "30d"$/,
    ],
    [
      "a size below zero",
      "[quarantine]\nmax_size = -4\n",
      /:2: quarantine\.max_size: expected a size such as "100M"$/,
    ],
    [
      "one endpoint that is no list",
      '[clamd]\nendpoints = "unix:/run/clamav/clamd.ctl"\n',
      /^[^\n]*:2: clamd\.endpoints: expected a list, such as \["…"\]$/,
    ],
    [
      "a number that is too small",
      "[limits]\nrecipients = 0\n",
      /:2: limits\.recipients: expected at least 1$/,
    ],
    [
      "a key of another table",
      "[server]\nmessage_size = 1\n",
      /:2: unknown key "server\.message_size" \(it is a key of \[limits\]\)$/,
    ],
    [
      "a key of a listener above all tables",
      'listen = "127.0.0.1:10024"\n',
      /:1: unknown key "listen" \(it is a key of \[\[listener\]\]\)$/,
    ],
    ["not TOML", "[server\n", /^\/etc\/postern\/postern\.toml:1: /],
    [
      "not loopback without allow",
      '[[listener]]\nprotocol = "smtp"\nlisten = "0.0.0.0:10024"\n',
      /:3: listener\.listen: 0\.0\.0\.0:10024 is not loopback, so it needs allow/,
    ],
    [
      "same address twice",
      '[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:1"\n[[listener]]\nprotocol = "lmtp"\nlisten = "127.0.0.1:1"\n',
      /:6: .* is taken by an earlier listener/,
    ],
    [
      "missing rules",
      '[server]\nrules_dir = "/no/such/dir"\n',
      /:2: server\.rules_dir: there is no directory/,
    ],
    [
      "no clamd",
      '[clamd]\nendpoints = ["clamd.ctl"]\n',
      /:2: clamd\.endpoints \(entry 1\): expected an endpoint such as "unix:/,
    ],
    [
      "a scan longer than its check",
      '[clamd]\ndeadline = "30s"\n',
      /:2: clamd\.deadline: must be shorter than limits\.check_deadline/,
    ],
    [
      "no spamd",
      '[spamd]\nendpoints = ["127.0.0.1:783"]\n',
      /:2: spamd\.endpoints \(entry 1\): expected an endpoint such as "unix:/,
    ],
    [
      "a score longer than its check",
      '[limits]\ncheck_deadline = "20s"\n[clamd]\ndeadline = "10s"\n[spamd]\ndeadline = "20s"\n',
      /:6: spamd\.deadline: must be shorter than limits\.check_deadline/,
    ],
    [
      "a user that is two words",
      '[spamd]\nuser = "a b"\n',
      /:2: spamd\.user: expected a user name without spaces/,
    ],
    [
      "a clamd that is ourselves",
      '[clamd]\nendpoints = ["tcp:127.0.0.1:10027"]\n[[listener]]\nprotocol = "clamd"\nlisten = "127.0.0.1:10027"\n',
      /:2: clamd\.endpoints: tcp:127\.0\.0\.1:10027 is a listener of our own/,
    ],
    [
      "a role for a listener that takes no mail",
      '[[listener]]\nprotocol = "clamd"\nlisten = "127.0.0.1:10027"\nrole = "delivery"\n',
      /:4: listener\.role: a clamd listener has no role/,
    ],
  ])("%s", (_name, text, expected) => {
    expect(errors(text)).toMatch(expected);
  });

  it("tells all at once", () => {
    expect(errors("[server]\nwokers = 1\n[limits]\nparts = 0\n").split("\n")).toHaveLength(2);
  });

  it("tells them in the order of the file", () => {
    const text = "[quarantine]\nmax_age = 3\n[limits]\nparts = 0\n[server]\nwokers = 1\n";
    const lines = errors(text).split("\n");
    expect(lines.map((line) => /toml:(\d+):/.exec(line)?.[1])).toEqual(["2", "4", "6"]);
  });
});

it("a command reads the file that it is told, else the environment's, else the site's", () => {
  const site = new URL("../package.json", import.meta.url).pathname;
  expect(configFile("a.toml", "b.toml", site)).toBe("a.toml");
  expect(configFile(null, "b.toml", site)).toBe("b.toml");
  expect(configFile(null, undefined, site)).toBe(site);
  expect(configFile(null, undefined, `${site}/none`)).toBeNull();
});

describe("defaults", () => {
  it("without a file are loopback, local delivery and mailboxes made as mail comes", () => {
    const config = loadConfig(null);
    expect(config.listener.map((l) => [l.protocol, l.listen, l.role])).toEqual([
      ["smtp", "127.0.0.1:10024", "filter"],
      ["lmtp", "127.0.0.1:10025", "delivery"],
      ["policy", "127.0.0.1:10023", "filter"],
      ["http", "127.0.0.1:10090", "filter"],
    ]);
    expect(config.delivery).toMatchObject({ unknown: "create" });
    expect(config.delivery.domains).toContain("localhost");
    expect(config.next_hop.relay).toBe("local");
  });

  it("with a file refuse unknown users and resolve paths against the file", () => {
    const config = parseConfig(
      '[server]\nstate_dir = "var"\n[quarantine]\nmax_age = "2d"\nmax_size = "1K"\n',
      "/etc/postern/postern.toml",
    );
    expect(config.delivery.unknown).toBe("refuse");
    expect(config.server.state_dir).toBe("/etc/postern/var");
    expect(config.quarantine).toMatchObject({
      max_age: 2 * 864e5,
      max_size: 1024,
      dir: "/etc/postern/var/quarantine",
    });
  });

  it("send reports where filtered mail goes back, if that is SMTP", () => {
    const relay = (text: string) => parseConfig(text, "/x.toml").outgoing.relay;
    expect(relay('[next_hop]\nrelay = "smtp:127.0.0.1:10025"\n')).toBe("smtp:127.0.0.1:10025");
    expect(relay('[next_hop]\nrelay = "lmtp:127.0.0.1:24"\n')).toBeNull();
    expect(relay("")).toBeNull();
  });
});

it("lineOf finds keys in dotted and repeated tables", () => {
  const text = '[a]\nb = 1\n[[c]]\nd = 1\n[[c]]\n"d" = 2\n';
  expect([
    lineOf(text, ["a", "b"]),
    lineOf(text, ["c", 0, "d"]),
    lineOf(text, ["c", 1, "d"]),
    lineOf(text, ["z"]),
  ]).toEqual([2, 4, 6, 1]);
});

describe("greylisting and the store", () => {
  const error = (text: string): string => {
    try {
      parseConfig(text, "/etc/postern/postern.toml");
    } catch (caught) {
      return (caught as Error).message;
    }
    return "";
  };
  const LISTENER = '[[listener]]\nprotocol = "smtp"\nlisten = "127.0.0.1:10024"\n';

  it.each([
    [
      `${LISTENER}greylist = true\n`,
      ":4: listener.greylist: an after-queue listener has no client",
    ],
    [`${LISTENER}greylist = true\nmode = "before-queue"\n`, ""],
    [`${LISTENER}greylist = false\n`, ""],
    ['[greylist]\nwindow = "5m"\n', ":2: greylist.window: must be longer than delay"],
    ['[greylist]\nlifetime = "1d"\n', ":2: greylist.lifetime: must not be shorter"],
    ["[greylist]\nscore_to = 1\n", ":2: greylist.score_to: must be above"],
    ['[greylist]\nwhen = ["dnsxl", "full moon"]\n', ":2: greylist.when: expected"],
    ['[greylist]\nwhen = "always"\n', ""],
    ['[redis]\nurl = "http://x"\n', ':2: redis.url: expected "redis://'],
    ['[redis]\nurl = "redis+sentinel://a,b/mymaster"\n', ""],
  ])("%j: %j", (text, expected) => {
    const got = error(text);
    if (expected === "") expect(got).toBe("");
    else expect(got).toContain(expected);
  });
});

test.each([
  ["", true],
  ['[dns]\nservers = ["192.0.2.53"]\n', false],
  ['[dns]\nservers = ["192.0.2.53"]\n[spam]\nlocal_tests_only = true\n', true],
  ["[spam]\nlocal_tests_only = false\n", false],
  ['[dns]\nservers = "off"\n[spam]\nlocal_tests_only = false\n', true],
])("spam rules ask DNS where it is configured: %j: only local tests %s", (text, local) => {
  expect(parseConfig(text, "/etc/postern/postern.toml").spam.local_tests_only).toBe(local);
});
