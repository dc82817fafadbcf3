// S/MIME: the content within a signature is a member, whatever form its lengths have; encryption is said; damage ends in Broken.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cms } from "../../../src/content/containers/cms.ts";
import { kindsOf } from "../../../src/content/magic.ts";
import { readMembers } from "./read-members.ts";

const MAIL = Buffer.from("Content-Type: text/plain\r\n\r\nharmless ".padEnd(700, "x"));
const OIDS = {
  data: "06092a864886f70d010701",
  signed: "06092a864886f70d010702",
  enveloped: "06092a864886f70d010703",
  authEnveloped: "060b2a864886f70d0109100117",
  compressed: "060b2a864886f70d0109100109",
};

function element(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 128) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  return Buffer.concat([
    Buffer.from([tag, 0x82, content.length >> 8, content.length & 255]),
    content,
  ]);
}
const open = (tag: number, ...parts: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([tag, 0x80]), ...parts, Buffer.from([0, 0])]);
const oid = (name: keyof typeof OIDS): Buffer => Buffer.from(OIDS[name], "hex");
const version = Buffer.from([2, 1, 1]);
const digests = element(0x31, element(0x30, Buffer.from([6, 1, 42])));
const signers = element(0x31);

const DEFINITE = element(
  0x30,
  oid("signed"),
  element(
    0xa0,
    element(
      0x30,
      version,
      digests,
      element(0x30, oid("data"), element(0xa0, element(0x04, MAIL))),
      signers,
    ),
  ),
);
const pieces = [MAIL.subarray(0, 100), MAIL.subarray(100, 101), MAIL.subarray(101)];
const INDEFINITE = open(
  0x30,
  oid("signed"),
  open(
    0xa0,
    open(
      0x30,
      version,
      open(0x31, element(0x30, Buffer.from([6, 1, 42]))),
      open(
        0x30,
        oid("data"),
        open(
          0xa0,
          open(
            0x24,
            element(4, pieces[0]!),
            open(0x24, element(4, pieces[1]!)),
            element(4, pieces[2]!),
          ),
        ),
      ),
      signers,
    ),
  ),
);

describe("a signed message", () => {
  test.each([
    ["with lengths", DEFINITE],
    ["in pieces of unknown length", INDEFINITE],
  ])("%s gives its content", async (_what, bytes) => {
    expect(kindsOf(bytes)).toEqual(["p7m"]);
    const { members, said, broken } = await readMembers(cms, bytes);
    expect(broken).toBeNull();
    expect(said).toEqual([]);
    expect(members).toMatchObject([{ names: [], text: MAIL.toString(), defects: [] }]);
  });

  test("whose content lies elsewhere gives nothing", async () => {
    const bytes = element(
      0x30,
      oid("signed"),
      element(0xa0, element(0x30, version, digests, element(0x30, oid("data")), signers)),
    );
    expect(await readMembers(cms, bytes)).toMatchObject({ members: [], said: [], broken: null });
  });

  test("that is cut off gives what there is", async () => {
    const { members } = await readMembers(cms, DEFINITE.subarray(0, 300));
    expect(members[0]!.defects).toEqual(["container-broken"]);
    expect(MAIL.toString().startsWith(members[0]!.text!)).toBe(true);
    expect(members[0]!.text!.length).toBeGreaterThan(200);
  });
});

test.each([
  ["enveloped", ["encrypted"]],
  ["authEnveloped", ["encrypted"]],
  ["compressed", ["container-unsupported"]],
] as const)("%s is %j", async (name, said) => {
  const bytes = element(0x30, oid(name), element(0xa0, element(0x30, version)));
  expect(kindsOf(bytes)).toEqual(["p7m"]);
  expect(await readMembers(cms, bytes)).toMatchObject({ members: [], said: [...said] });
});

test("damaged octets end in Broken or in members, soon", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(DEFINITE, INDEFINITE),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      async (bytes, changes) => {
        const copy = Buffer.from(bytes);
        // Mostly near the start, where the structure is.
        for (const [at, octet] of changes) copy[at % (at % 2 === 0 ? 80 : copy.length)] = octet;
        const { members } = await readMembers(cms, copy);
        expect(members.length).toBeLessThan(2);
      },
    ),
    { numRuns: 3_000 },
  );
  const deep = Buffer.concat([
    INDEFINITE.subarray(0, 46),
    Buffer.from("2480".repeat(5_000), "hex"),
  ]);
  await readMembers(cms, deep);
});
