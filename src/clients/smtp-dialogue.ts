// One transaction up to the answer to DATA (RFC 5321 3.3, RFC 2033 4.2), pipelined when the server offers it (RFC 2920):
// then everything goes out in one write. What follows 354 is in smtp-body.ts; smtp.ts calls both.
import { isFailure, type Connection, type Failure, type Step } from "./smtp-connection.ts";
import type { Line } from "./smtp-dial.ts";
import type { PeerReply } from "./smtp-replies.ts";

/** The lines of a transaction; `before` = RSET and XFORWARD, whose answers change nothing. */
export interface Commands {
  readonly before: readonly string[];
  readonly mail: string;
  readonly rcpts: readonly string[];
}

/** What each recipient was told, in order of the RCPT lines; `data` = the server waits for the message. */
export interface Answers {
  readonly rcpts: readonly (PeerReply | Failure)[];
  readonly data: boolean;
  /** The server had left, or was leaving, before it accepted anything: another connection may do better. */
  readonly stale: boolean;
}

/** Runs the dialogue. Never rejects; `ms` bounds the wait for each reply. */
export async function converse(line: Line, commands: Commands, ms: number): Promise<Answers> {
  const { connection } = line;
  const { before, mail, rcpts } = commands;
  const { pipelining } = line.offered;
  const all = (answer: PeerReply | Failure): Answers =>
    stopped(
      connection,
      rcpts.map(() => answer),
    );
  if (pipelining) connection.send([...before, mail, ...rcpts, "DATA"]);
  const ask = (command: string, step: Step): ReturnType<Connection["read"]> => {
    if (!pipelining) connection.send([command]);
    return connection.read(step, ms);
  };
  const nonsense = (answer: PeerReply): void => {
    if (answer.code >= 300 && answer.code < 400) connection.fail("garbage", "3xx out of place");
  };

  for (const command of before) {
    const answer = await ask(command, "fwd-xforward");
    if (isFailure(answer) || connection.closing) return all(answer);
    if (command === "RSET" && !isPositive(answer)) {
      connection.fail("closed", "RSET refused");
      return all(connection.ended("fwd-xforward"));
    }
  }
  connection.needsReset = false;
  const sender = await ask(mail, "fwd-mail-from");
  if (isFailure(sender)) return all(sender);
  nonsense(sender);
  const refused = !isPositive(sender);
  if (refused && !pipelining) return all(sender);

  const answers: (PeerReply | Failure)[] = [];
  for (const rcpt of rcpts) {
    const answer = await ask(rcpt, "fwd-rcpt-to");
    answers.push(refused ? sender : answer);
    if (!isFailure(answer)) {
      nonsense(answer);
      continue;
    }
    while (answers.length < rcpts.length) answers.push(refused ? sender : answer);
    return stopped(connection, answers);
  }
  connection.needsReset = !refused;
  const accepted = answers.some(isPositive);
  if (!accepted && !pipelining) return stopped(connection, answers);
  return dataAnswer(connection, answers, await ask("DATA", "fwd-data-cmd"), accepted && !refused);
}

/** True for 2xx: the only answers that let MAIL, RCPT and the final dot go on. */
export function isPositive(answer: PeerReply | Failure): boolean {
  return !isFailure(answer) && answer.code >= 200 && answer.code < 300;
}

function dataAnswer(
  connection: Connection,
  answers: readonly (PeerReply | Failure)[],
  data: PeerReply | Failure,
  accepted: boolean,
): Answers {
  if (!isFailure(data) && data.code === 354) {
    if (accepted) {
      connection.needsReset = false;
      return { rcpts: answers, data: true, stale: false };
    }
    // RFC 2920 3.1 wants a lone dot here; a server that lost count might deliver an empty message. Closing is safe.
    connection.fail("garbage", "354 without a recipient");
    return stopped(connection, answers);
  }
  let refusal = data;
  if (!isFailure(data) && data.code < 400) {
    // Taken for an answer, a 2xx here would read as if the message had been accepted.
    connection.fail("garbage", "DATA answered by neither 354 nor a refusal");
    refusal = connection.ended("fwd-data-cmd");
  }
  return stopped(
    connection,
    answers.map((answer) => (isPositive(answer) ? refusal : answer)),
  );
}

function stopped(connection: Connection, rcpts: Answers["rcpts"]): Answers {
  const gone = connection.fault?.failed === "closed";
  return { rcpts, data: false, stale: gone || connection.closing };
}
