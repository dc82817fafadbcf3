// How each command is used: what `postern COMMAND --help` prints, and every command when its arguments make no sense. No line is
// wider than a terminal of 80 columns.

export const USAGE = `usage: postern COMMAND [--config FILE] …

  serve                  run the server
  scan FILE…|DIR…|-      judge messages without delivering them, and say why
  rules check|show|diff  check the rule files and run their cases; show them in
                         effective order; replay recorded mail over changed ones
  quarantine …           list, show, release and delete what was kept
  greylist …             why a sender waits, and what to do about it
  learn …                teach Bayes from messages, or take it back
  history …              what was decided about a message, and why
  stats                  what came and what became of it
  user …                 mailboxes, their passwords and aliases
  dkim keygen …          a key to sign outgoing mail with, and its DNS record
  doctor                 ask everything that postern depends on, and say what
                         to do

postern COMMAND --help says more of each; postern --version says which this is.
The configuration is --config FILE (or -c FILE), else $POSTERN_CONFIG, else
/etc/postern/postern.toml; without any of them, the defaults hold.
exit codes: 0 ok, 1 failure, 2 configuration; scan: 0 delivered, 3 stopped
`;

/** By command: everything behind `postern`. */
export const USAGES = {
  serve: `usage: postern serve [--config FILE] [--log-format text|json]
  SIGHUP             reads configuration and rules again
  SIGUSR2            changes to the program on disk
  SIGTERM, SIGINT    finish what is in flight, then stop; a second one: at once
`,
  scan: `usage: postern scan [OPTION…] FILE…|DIR…|-      - reads standard input
  --json                     one line of JSON per message
  --client IP --name NAME    the client that sent it, and its host name
  --helo NAME                what it said at HELO
  --from ADDRESS             the envelope sender; left out: the null sender
  --rcpt ADDRESS             an envelope recipient, as often as needed
  --mode after-queue|before-queue
  --origin auto|inbound|outbound
exit codes: 0 delivered, 1 a file could not be read, 3 a message is stopped
`,
  rules: `usage: postern rules check      compile the rule files, run their cases
       postern rules show       every line in effective order
       postern rules diff DIR [--days 7] [--limit 50] [--json]
                                which verdicts of recorded mail the rules in
                                DIR would change
`,
  quarantine: `usage: postern quarantine list [--json] [--category C] [--sender S]
               [--recipient R] [--subject TEXT] [--since 2d] [--before 1d]
               [--larger 100K] [--smaller 5M]
       postern quarantine show ID [--headers|--raw|--json]
       postern quarantine release [--virus] ID [RECIPIENT…]
       postern quarantine delete ID…
       postern quarantine expire
       postern quarantine digest [RECIPIENT…]   sends that of the last day now
       postern quarantine rotate-key            voids all release links sent
S and R are addresses or @domain; ages are 30m, 12h, 2d, 1w
`,
  greylist: `usage: postern greylist list [--json] [--sender A] [--recipient A]
               [--limit 1000]
       postern greylist explain --client IP --sender A --recipient A
               [--name N] [--helo H]
       postern greylist allow SENDER RECIPIENT    this sender passes to this
                                                  recipient from anywhere
       postern greylist allow CLIENT      an IP address: its network waits no
                                          more
       postern greylist clear SENDER RECIPIENT | CLIENT | --all
`,
  learn: `usage: postern learn --spam|--ham PATH… [--mailbox ADDRESS]
               PATH is a file, directory, Maildir or mbox; - is standard input
       postern learn --forget PATH…       takes back what these taught
       postern learn --forget-mailbox ADDRESS
               takes back all that the folders of a mailbox taught
       postern learn --dump [--json]      what was learned so far
`,
  history: `usage: postern history list [--hours N|--days 1] [--sender A] [--recipient A]
               [--client IP] [--category C] [--disposition D] [--symbol S]
               [--limit 50] [--json]
       postern history explain ID [--json]
               the mail id, the log id or the Message-ID
`,
  stats: `usage: postern stats [--hours 24 | --days N] [--limit 10] [--json | --csv]
               [--top senders|recipients|symbols]
`,
  user: `usage: postern user add ADDRESS [--quota SIZE] [--password-stdin]
               [--scheme sha512-crypt|argon2id]
       postern user add --batch [--quota SIZE] [--scheme …]
               lines "ADDRESS" or "ADDRESS,PASSWORD" on standard input
       postern user del ADDRESS      the mailbox and its mail stay
       postern user list [--json]
`,
  dkim: `usage: postern dkim keygen DOMAIN SELECTOR [--bits 2048|3072|4096 | --ed25519]
`,
  doctor: `usage: postern doctor [--config FILE]
  asks listeners, MTA, clamd, spamd, Redis, DNS, disks and rules
  exit codes: 0 no failure (there may be warnings), 1 something fails
`,
} as const;
