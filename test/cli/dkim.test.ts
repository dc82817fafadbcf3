import { createPrivateKey, generateKeyPairSync, sign, verify, createPublicKey } from "node:crypto";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test, vi } from "vitest";
import { dkim, keyRecord, zoneText } from "../../src/cli/dkim.ts";
import { signer } from "../../src/engine/signing.ts";
import { compileRules } from "../../src/ruleset/compile.ts";

let dir = "";
let config = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "postern-dkim-"));
  config = join(dir, "postern.toml");
  await writeFile(config, '[dkim]\nkeys = "keys"\n');
});
afterAll(() => rm(dir, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const stdout = vi
    .spyOn(process.stdout, "write")
    .mockImplementation((text) => ((out += String(text)), true));
  const stderr = vi
    .spyOn(process.stderr, "write")
    .mockImplementation((text) => ((err += String(text)), true));
  try {
    return { code: await dkim([...args, "--config", config]), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const listOf = (text: string) => {
  const compiled = compileRules(new Map([["dkim.rules", text]]), { modes: [], hasOutgoing: false });
  if ("errors" in compiled) throw new Error(JSON.stringify(compiled.errors));
  return compiled.ok.dkim;
};

describe("keygen", () => {
  test.each<[string, string[], string, string]>([
    ["RSA", [], "rsa", "v=DKIM1; k=rsa; p="],
    ["Ed25519", ["--ed25519"], "ed25519", "v=DKIM1; k=ed25519; p="],
  ])(
    "%s: a private file, and the record of its public half",
    async (name, options, type, start) => {
      const { code, out } = await run("keygen", "Example.COM", name.toLowerCase(), ...options);
      expect(code).toBe(0);
      const path = join(dir, "keys", `example.com.${name.toLowerCase()}.pem`);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await stat(join(dir, "keys"))).mode & 0o777).toBe(0o700);
      const key = createPrivateKey(await readFile(path));
      expect(key.asymmetricKeyType).toBe(type);
      const strings = [...out.matchAll(/^ {4}"(.*)"/gm)].map((match) => match[1] ?? "");
      expect(strings.every((text) => text.length <= 255)).toBe(true);
      expect(strings.join("")).toBe(keyRecord(key));
      expect(keyRecord(key).startsWith(start)).toBe(true);
      expect(out).toContain(`${name.toLowerCase()}._domainkey.example.com. IN TXT (`);
      expect(out).toContain(`sign example.com selector=${name.toLowerCase()}`);
      expect(
        signer(listOf(`sign example.com selector=${name.toLowerCase()}`), join(dir, "keys")).active,
      ).toBe(true);
    },
  );

  it("never touches a key that is there", async () => {
    expect((await run("keygen", "a.example", "s")).code).toBe(0);
    const before = await readFile(join(dir, "keys/a.example.s.pem"), "utf8");
    const again = await run("keygen", "a.example", "s");
    expect([again.code, again.out]).toEqual([1, ""]);
    expect(again.err).toContain("exists already");
    expect(await readFile(join(dir, "keys/a.example.s.pem"), "utf8")).toBe(before);
  });

  test.each([
    [["keygen", "a.example"]],
    [["keygen", "../../etc", "s"]],
    [["keygen", "a.example", "../s"]],
    [["keygen", "a.example", "s", "--bits", "512"]],
    [["keygen", "a.example", "s", "--bits", "2048", "--ed25519"]],
    [["keygen", "a.example", "s", "more"]],
    [["sign"]],
  ])("%j makes no sense", async (args) => {
    const before = (await readdir(dir, { recursive: true })).length;
    await expect(run(...args)).rejects.toMatchObject({ code: "USAGE" });
    expect((await readdir(dir, { recursive: true })).length).toBe(before);
  });
});

it("publishes a key that fits", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = Buffer.from(keyRecord(privateKey).split("p=")[1] ?? "", "base64");
  const data = Buffer.from("x");
  expect(
    verify(
      "sha256",
      data,
      createPublicKey({ key: der, format: "der", type: "spki" }),
      sign("sha256", data, privateKey),
    ),
  ).toBe(true);
  expect(
    zoneText("x".repeat(600))
      .match(/"x+"/g)
      ?.map((text) => text.length - 2),
  ).toEqual([255, 255, 90]);
});

describe("the signer reads its keys", () => {
  const rules = "sign a.example selector=k";
  const path = (): string => join(dir, "a.example.k.pem");
  const small = generateKeyPairSync("rsa", { modulusLength: 512 }).privateKey;
  const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  test.each<[string, string | null, number, RegExp]>([
    ["missing", null, 0, /rules\/dkim\.rules:1: there is no key .* keygen/],
    [
      "readable for others",
      small.export({ type: "pkcs8", format: "pem" }).toString(),
      0o640,
      /can be read by others/,
    ],
    ["garbage", "hello", 0o600, /holds no private key/],
    [
      "too short",
      small.export({ type: "pkcs8", format: "pem" }).toString(),
      0o600,
      /512 bits are too few/,
    ],
    [
      "of another kind",
      curve.export({ type: "pkcs8", format: "pem" }).toString(),
      0o600,
      /neither an RSA nor/,
    ],
  ])("%s", async (_, text, mode, expected) => {
    if (text !== null) {
      await writeFile(path(), text);
      await chmod(path(), mode);
    }
    expect(() => signer(listOf(rules), dir)).toThrow(expected);
    await rm(path(), { force: true });
  });

  it("needs none when there is no line", () => {
    expect(signer(listOf(""), "/nonexistent").active).toBe(false);
  });
});
