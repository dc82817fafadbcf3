import { describe, expect, test } from "vitest";
import { tnef } from "../../../src/content/containers/tnef.ts";
import { u16, u32 } from "./compound-writer.ts";
import { readMembers } from "./read-members.ts";
import { attachment, attribute, properties, property, winmail } from "./tnef-writer.ts";

const EXE = Buffer.concat([Buffer.from("MZ"), Buffer.alloc(62), Buffer.from("program")]);
const PLAIN = EXE.toString("latin1");
const RENDERING = attribute(2, 0x00069002, Buffer.alloc(14));

describe("attachments", () => {
  test("have the long name first", async () => {
    const file = winmail(
      attachment("LANGER~1.EXE", "langer näme.exe", EXE),
      attachment("b", "b.txt", EXE),
    );
    const { members, broken, said } = await readMembers(tnef, file);
    expect(members).toMatchObject([
      { names: ["langer näme.exe", "LANGER~1.EXE"], text: PLAIN },
      { names: ["b.txt", "b"], text: PLAIN },
    ]);
    expect({ broken, said }).toEqual({ broken: null, said: [] });
  });

  test("may have their data in a property, of any kind of list", async () => {
    const list = properties(
      Buffer.concat([u16(0x03), u16(0x3705), u32(1)]),
      Buffer.concat([u16(0x0b), u16(0x0e1b), u32(0)]),
      Buffer.concat([u16(0x40), u16(0x3007), Buffer.alloc(8)]),
      Buffer.concat([u16(0x1003), u16(0x1234), u32(3), Buffer.alloc(12)]),
      // Named by a number, and by a name of 10 octets.
      Buffer.concat([u16(0x03), u16(0x8000), Buffer.alloc(16), u32(0), u32(7), u32(1)]),
      Buffer.concat([
        u16(0x03),
        u16(0x8001),
        Buffer.alloc(16),
        u32(1),
        u32(10),
        Buffer.alloc(12),
        u32(1),
      ]),
      Buffer.concat([u16(0x101e), u16(0x8002), Buffer.alloc(16), u32(0), u32(7), u32(2), u32(2)]),
      Buffer.from("a\0\0\0"),
      Buffer.concat([u32(5), Buffer.from("four\0\0\0\0")]),
      property(0x3704, "A.EXE", 0x1e),
      property(0x370e, "Application/X-Test", 0x1e),
      property(0x3701, EXE, 0x102),
    );
    list.writeUInt32LE(10, 0);
    const { members, said } = await readMembers(
      tnef,
      winmail(RENDERING, attribute(2, 0x00069005, list)),
    );
    expect(said).toEqual([]);
    expect(members).toMatchObject([{ names: ["A.EXE"], text: PLAIN }]);
  });

  test("that are messages are TNEF again", async () => {
    const inner = winmail(attachment("a", "a.exe", EXE));
    const interfaceId = Buffer.from("0703020000000000c000000000000046", "hex");
    const list = properties(property(0x3701, Buffer.concat([interfaceId, inner]), 0x0d));
    const { members } = await readMembers(tnef, winmail(RENDERING, attribute(2, 0x00069005, list)));
    expect(members.map(({ text }) => text)).toEqual([inner.toString("latin1")]);
  });

  test("need no head, and their numbers no type", async () => {
    const file = winmail(attribute(2, 0x8010, Buffer.from("a.exe")), attribute(2, 0x800f, EXE));
    expect((await readMembers(tnef, file)).members).toMatchObject([
      { names: ["a.exe"], text: PLAIN },
    ]);
  });
});

test("bodies that only Outlook shows are members", async () => {
  const packed = Buffer.concat([
    u32(16),
    u32(4),
    Buffer.from("MELA"),
    u32(0),
    Buffer.from("{\\rtf}"),
  ]);
  const list = properties(
    property(0x1009, packed, 0x102),
    property(0x1013, Buffer.from("<html>"), 0x102),
  );
  const { members } = await readMembers(tnef, winmail(attribute(1, 0x00069003, list)));
  expect(members.map(({ text }) => text)).toEqual(["{\\rtf}", "<html>"]);
});

describe("damage", () => {
  const whole = winmail(attachment("a", "a.exe", EXE), attachment("b", "b.exe", EXE));

  test("keeps what came before", async () => {
    const file = Buffer.from(whole);
    file[file.indexOf(attachment("b", "b.exe", EXE))] = 77;
    const { members, said } = await readMembers(tnef, file);
    expect(members.map(({ names }) => names[0])).toEqual(["a.exe"]);
    expect(said).toEqual(["container-broken"]);
  });

  test("by cutting in the data is told", async () => {
    const start = whole.indexOf(EXE);
    for (const length of [start + 1, start + 30, start + EXE.length - 1]) {
      const { said, members } = await readMembers(tnef, whole.subarray(0, length));
      expect(said).toEqual(["container-broken"]);
      expect(members).toMatchObject([{ names: ["a"], text: PLAIN.slice(0, length - start) }]);
    }
  });

  test("of properties is told", async () => {
    const list = Buffer.concat([u32(1), u16(0x77), u16(0x3707)]);
    const { said } = await readMembers(tnef, winmail(RENDERING, attribute(2, 0x00069005, list)));
    expect(said).toEqual(["container-broken"]);
  });

  test("is not what line ends behind the end are", async () => {
    const file = Buffer.concat([whole, Buffer.from("\r\n\r\n")]);
    expect((await readMembers(tnef, file)).broken).toBeNull();
  });
});
