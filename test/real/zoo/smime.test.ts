// S/MIME messages made by OpenSSL: what is signed is found and banned, what is encrypted is told.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { EICAR, judging, PROGRAM, workshop } from "./judged.ts";
import type { Judging, Workshop } from "./judged.ts";

let postern: Judging;
let tools: Workshop;
beforeAll(async () => {
  postern = await judging();
});
afterAll(() => postern.close());
beforeEach(() => {
  tools = workshop();
  const part = (name: string, file: Buffer): string =>
    `--b\r\nContent-Type: application/octet-stream; name=${name}\r\nContent-Transfer-Encoding: base64\r\n\r\n${file.toString("base64")}\r\n`;
  tools.write(
    "mail",
    Buffer.from(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${part("eicar.dat", EICAR)}${part("photo.exe", PROGRAM)}--b--\r\n`,
    ),
  );
  tools.run(
    "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a@example.org -keyout key -out cert -days 1 2>/dev/null",
  );
});
afterEach(() => tools.close());

const SIGN =
  "openssl cms -sign -in mail -signer cert -inkey key -nodetach -binary -outform DER -out";

test.each([
  ["smime.p7m", `${SIGN} smime.p7m`],
  ["stream.p7m", `${SIGN} stream.p7m -stream`],
  [
    "twice.p7m",
    `${SIGN} once && printf 'Content-Type: application/pkcs7-mime\\r\\nContent-Transfer-Encoding: base64\\r\\n\\r\\n' > m2 && base64 once >> m2 && openssl cms -sign -in m2 -signer cert -inkey key -nodetach -binary -outform DER -out twice.p7m`,
  ],
])("%s: signed content is looked into", async (name, command) => {
  tools.run(command);
  const judged = await postern.judge(tools.read(name), name);
  expect(judged.marked("EICAR")).toEqual(["eicar.dat"]);
  expect(judged.names).toContain("photo.exe");
  expect(judged.symbols).toContain("BANNED");
});

test("smime.p7m: encrypted content is told", async () => {
  tools.run("openssl cms -encrypt -in mail -aes256 -binary -outform DER -out smime.p7m cert");
  const judged = await postern.judge(tools.read("smime.p7m"), "smime.p7m");
  expect(judged.symbols).toContain("ENCRYPTED");
});

test("smime.p7s: a signature beside the content holds nothing", async () => {
  tools.run(
    "openssl cms -sign -in mail -signer cert -inkey key -binary -outform DER -out smime.p7s",
  );
  const judged = await postern.judge(tools.read("smime.p7s"), "smime.p7s");
  expect(judged.symbols).toEqual([]);
});
