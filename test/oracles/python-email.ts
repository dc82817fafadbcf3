// What Python's email package sees in a message: a python3 process that reads messages from a pipe and answers with one line of JSON
// each. An oracle for long comparisons by hand; the unit suite does not use it.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface SeenPart {
  readonly type: string;
  readonly name: string | null;
  /** Decoded octets, base64. */
  readonly data: string;
  /** The text of a text part, as shown; else null. */
  readonly text: string | null;
}

const PROGRAM = `
import base64, email, email.policy, json, struct, sys
stdin = sys.stdin.buffer
while True:
    head = stdin.read(4)
    if len(head) < 4:
        break
    raw = stdin.read(struct.unpack(">I", head)[0])
    parts = []
    try:
        for part in email.message_from_bytes(raw).walk():
            if part.is_multipart():
                continue
            data = part.get_payload(decode=True) or b""
            text = None
            if part.get_content_maintype() == "text":
                charset = part.get_content_charset() or "utf-8"
                try:
                    text = data.decode(charset, "replace")
                except (LookupError, ValueError):
                    text = data.decode("latin-1")
                text = text.encode("utf-8", "replace").decode("utf-8")
            try:
                name = part.get_filename()
                name = None if name is None else str(email.header.make_header(email.header.decode_header(name)))
            except Exception:
                name = None
            if name is not None:
                name = name.encode("utf-8", "replace").decode("utf-8")
            parts.append({"type": part.get_content_type(), "name": name, "data": base64.b64encode(data).decode(), "text": text})
        answer = {"parts": parts}
    except Exception as error:
        answer = {"error": repr(error)}
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
`;

export interface PythonEmail {
  /** All leaves; null when Python gave up on the message. */
  parts(message: Buffer): Promise<readonly SeenPart[] | null>;
  close(): void;
}

/** Starts the process. `parts` takes one message at a time. */
export function pythonEmail(): PythonEmail {
  const child = spawn("python3", ["-c", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async parts(message) {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(message.length);
      child.stdin.write(Buffer.concat([head, message]));
      const line = await lines.next();
      if (line.done === true) throw new Error("python3 is gone");
      const answer = JSON.parse(line.value) as { parts?: SeenPart[] };
      return answer.parts ?? null;
    },
    close: () => void child.stdin.end(),
  };
}
