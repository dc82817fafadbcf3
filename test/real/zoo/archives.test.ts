// Archives, compressed files and images of 7-Zip, xz, lzip, bzip2, compress, lz4, gcab, arj, jlha, genisoimage, mtools, ntfs-3g and
// qemu-img: what is in them is found and banned, what is encrypted or cannot be read is told.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rar4, rar5 } from "../../content/containers/rar-writer.ts";
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
  tools.write("eicar.txt", EICAR);
  tools.write("photo.dat", PROGRAM);
  tools.write("notes.txt", NOTES);
});
afterEach(() => tools.close());

/** Octets of which some are frequent and most are rare, and runs of them that come again: all that packers look for. */
const NOTES = notes();

function notes(): Buffer {
  const octets = Buffer.alloc(200_000);
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let at = 0; at < octets.length;) {
    if (at > 1000 && random(4) === 0) {
      const from = random(at);
      at += octets.copy(octets, at, from, Math.min(at, from + 3 + random(300)));
    } else octets[at++] = Math.floor(256 * (random(1000) / 1000) ** 6);
  }
  return octets;
}

const sha256 = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");
const UNREAD = /UNCHECKED|MALFORMED|ENCRYPTED/;
const FILES = "eicar.txt notes.txt photo.dat";

/** The file, and what makes it. */
const SEVEN_ZIP: readonly (readonly [string, string])[] = [
  ["a.7z", `7z a -bd a.7z ${FILES}`],
  ...["LZMA", "LZMA2", "PPMd", "BZip2", "Deflate", "Copy"].map(
    (method) => [`${method}.7z`, `7z a -bd -m0=${method} ${method}.7z ${FILES}`] as const,
  ),
  ["bcj2.7z", `7z a -bd -mf=BCJ2 bcj2.7z ${FILES}`],
  ["delta.7z", `7z a -bd -mf=Delta:4 delta.7z ${FILES}`],
  ["single.7z", `7z a -bd -ms=off single.7z ${FILES}`],
  ["plain.7z", `7z a -bd -mhc=off plain.7z ${FILES}`],
  ["ultra.7z", `7z a -bd -mx=9 ultra.7z ${FILES}`],
  ["program.exe", `7z a -bd -sfx program.exe ${FILES}`],
];

const OTHERS: readonly (readonly [string, string])[] = [
  ["stored.cab", `gcab -c stored.cab ${FILES}`],
  ["mszip.cab", `gcab -zc mszip.cab ${FILES}`],
  ["a.arj", `arj a -y -i a.arj ${FILES}`],
  ["fast.arj", `arj a -y -i -m4 fast.arj ${FILES}`],
  ["stored.arj", `arj a -y -i -m0 stored.arj ${FILES}`],
  ["a.lzh", `jlha aq a.lzh ${FILES}`],
  ["lh6.lzh", `jlha ao6q lh6.lzh ${FILES}`],
  ["lh7.lzh", `jlha ao7q lh7.lzh ${FILES}`],
  ...["0", "1", "2"].map(
    (level) => [`level${level}.lzh`, `jlha aq${level} level${level}.lzh ${FILES}`] as const,
  ),
  ["a.tar.xz", `tar cf - ${FILES} | xz > a.tar.xz`],
  ["blocks.tar.xz", `tar cf - ${FILES} | xz --block-size=1024 > blocks.tar.xz`],
  ["a.tar.lzma", `tar cf - ${FILES} | xz -F lzma > a.tar.lzma`],
  ["a.tar.lz", `tar cf - ${FILES} | lzip > a.tar.lz`],
  ["a.tar.bz2", `tar cf - ${FILES} | bzip2 > a.tar.bz2`],
  ["a.tar.Z", `tar cf - ${FILES} | compress > a.tar.Z`],
  ["b12.tar.Z", `tar cf - ${FILES} | compress -b 12 > b12.tar.Z`],
  ["a.tar.lz4", `tar cf - ${FILES} | lz4 -q > a.tar.lz4`],
  ["linked.tar.lz4", `tar cf - ${FILES} | lz4 -q -BD -9 > linked.tar.lz4`],
];

const IMAGES: readonly (readonly [string, string])[] = [
  ["plain.iso", "genisoimage -quiet -o plain.iso src"],
  ["names.iso", "genisoimage -quiet -J -R -o names.iso src"],
  ["udf.iso", "genisoimage -quiet -udf -J -R -o udf.iso src"],
  ...["12", "16", "32"].map(
    (bits) =>
      [
        `fat${bits}.img`,
        `truncate -s ${bits === "12" ? 4 : bits === "16" ? 17 : 40}M fat${bits}.img; mkfs.fat -F ${bits} fat${bits}.img; mcopy -i fat${bits}.img src/* ::`,
      ] as const,
  ),
  [
    "ntfs.img",
    "truncate -s 3M ntfs.img; mkntfs -qFf ntfs.img; for f in src/*; do ntfscp ntfs.img $f $(basename $f); done",
  ],
];

/** Disks with one NTFS partition, from a raw one. */
const DISKS: readonly (readonly [string, string])[] = [
  ["mbr.img", "cp mbr.raw mbr.img"],
  ["gpt.img", "cp gpt.raw gpt.img"],
  ["dynamic.vhd", "qemu-img convert -f raw -O vpc mbr.raw dynamic.vhd"],
  ["fixed.vhd", "qemu-img convert -f raw -O vpc -o subformat=fixed mbr.raw fixed.vhd"],
  ["gpt.vhdx", "qemu-img convert -f raw -O vhdx gpt.raw gpt.vhdx"],
];
const RAW = `truncate -s 3M v; mkntfs -qFf v; for f in src/*; do ntfscp v $f $(basename $f); done
for t in mbr gpt; do truncate -s 6M $t.raw; done
echo 'start=2048,size=6144,type=7' | sfdisk -q mbr.raw
(echo label: gpt; echo 'start=2048,size=6144') | sfdisk -q gpt.raw
for t in mbr gpt; do dd if=v of=$t.raw bs=512 seek=2048 conv=notrunc; done`;

/** Both files are found, under their names in any case, and nothing was left out. */
async function finds(file: string): Promise<void> {
  const judged = await postern.judge(tools.read(file), file);
  expect(judged.marked("EICAR").map((name) => name.toLowerCase())).toContain("eicar.txt");
  expect(judged.symbols).toContain("SELFTEST_EICAR");
  const photo = judged.parts.find(({ names }) => names.some((name) => /^photo\.dat$/i.test(name)));
  expect(photo).toMatchObject({ kinds: ["exe", "exe-ms"], sha256: sha256(PROGRAM) });
  const text = judged.parts.find(({ names }) => names.some((name) => /^notes\.txt$/i.test(name)));
  expect(text?.sha256).toBe(sha256(NOTES));
  expect(judged.symbols).toContain("BANNED");
  expect(judged.symbols.filter((one) => UNREAD.test(one))).toEqual([]);
}

test.each([...SEVEN_ZIP, ...OTHERS])("%s", async (file, command) => {
  tools.run(command);
  await finds(file);
});

test.each([...IMAGES])("%s", async (file, command) => {
  tools.run(`mkdir src; cp ${FILES} src; ${command}`);
  await finds(file);
});

test.each([...DISKS])("%s", async (file, command) => {
  tools.run(`mkdir src; cp ${FILES} src; ${RAW}; ${command}`);
  await finds(file);
});

test.each([
  ["version 4", rar4],
  ["version 5", rar5],
])("rar of %s", async (_version, write) => {
  const members = [
    { name: "eicar.txt", data: EICAR },
    { name: "photo.dat", data: PROGRAM },
    { name: "notes.txt", data: NOTES },
  ];
  tools.write("a.rar", write(members));
  await finds("a.rar");
});

describe("at each level", () => {
  const wrap: Readonly<Record<string, string>> = {
    "7z": "7z a -bd next.7z *",
    cab: "gcab -zc next.cab *",
    arj: "arj a -y -i next.arj *",
    lzh: "jlha aq next.lzh *",
    iso: "genisoimage -quiet -J -R -o ../next.iso .; mv ../next.iso .",
    xz: "for f in *; do xz -c $f > next.xz; done",
    bz2: "for f in *; do bzip2 -c $f > next.bz2; done",
    zip: "zip -q next.zip *",
  };
  test.each(["7z cab arj", "lzh 7z zip", "zip iso xz 7z", "7z bz2", "7z 7z 7z 7z 7z 7z"])(
    "%s",
    async (levels) => {
      tools.run("mkdir w; mv eicar.txt photo.dat w");
      for (const level of levels.split(" "))
        tools.run(
          `cd w; ${wrap[level]!}; mv next.${level} ../held; rm -rf ./*; mv ../held inner.${level}`,
        );
      const last = levels.split(" ").at(-1)!;
      const judged = await postern.judge(tools.read(`w/inner.${last}`), `inner.${last}`);
      expect(judged.marked("EICAR")).toContain("eicar.txt");
      const photo = judged.parts.find(({ names }) => names.includes("photo.dat"));
      expect(photo?.sha256).toBe(sha256(PROGRAM));
    },
  );
});

describe("what opens only with a password", () => {
  test.each([
    ["names.7z", `7z a -bd -psecret names.7z ${FILES}`],
    ["locked.arj", `arj a -y -i -gsecret locked.arj ${FILES}`],
  ])("lists its names: %s", async (file, command) => {
    tools.run(command);
    const judged = await postern.judge(tools.read(file), file);
    expect(judged.names.toSorted()).toEqual(FILES.split(" "));
    expect(judged.symbols).toContain("ENCRYPTED");
    const members = judged.parts.filter(({ path }) => path.startsWith("1/2/"));
    expect(members.every(({ encrypted }) => encrypted)).toBe(true);
  });

  test("bans by name what cannot be looked into", async () => {
    tools.run("cp photo.dat invoice.exe; 7z a -bd -psecret a.7z invoice.exe");
    const judged = await postern.judge(tools.read("a.7z"), "a.7z");
    expect(judged.details("BANNED").join()).toContain("invoice.exe");
  });

  test("hides even its names", async () => {
    tools.run(`7z a -bd -psecret -mhe=on a.7z ${FILES}`);
    const judged = await postern.judge(tools.read("a.7z"), "a.7z");
    expect(judged.symbols).toContain("ENCRYPTED");
    expect(judged.parts.find(({ path }) => path === "1/2")?.encrypted).toBe(true);
  });
});

describe("what is not read says so", () => {
  test.each([
    ["a.wim", "mkdir src; cp photo.dat src; wimlib-imagex capture src a.wim"],
    ["a.qcow2", "truncate -s 1M r; qemu-img convert -f raw -O qcow2 r a.qcow2"],
    ["exfat.img", "truncate -s 4M exfat.img; mkfs.exfat exfat.img"],
    ["first.7z.001", `head -c 100000 /dev/urandom > r; 7z a -bd -v20k first.7z r`],
    ["a.arj", "head -c 60000 /dev/urandom > r; arj a -y -i -v20k a.arj r"],
  ])("%s", async (file, command) => {
    tools.run(command);
    const judged = await postern.judge(tools.read(file), file);
    expect(judged.symbols).toContain("UNCHECKED_ARCHIVE");
  });
});

describe("bombs of zeros end at the quota", () => {
  test.each([
    ["a.7z", "head -c 1G /dev/zero | 7z a -bd -mx=1 -si a.7z"],
    ["a.xz", "head -c 1G /dev/zero | xz -1 > a.xz"],
    [
      "a.bz2",
      "head -c 200M /dev/zero | bzip2 > a.bz2; for i in 1 2 3 4; do cat a.bz2; done > b; mv b a.bz2",
    ],
    [
      "a.lz",
      "head -c 200M /dev/zero | lzip -0 > a.lz; for i in 1 2 3; do cat a.lz; done > b; mv b a.lz",
    ],
  ])("%s", async (file, command) => {
    tools.run(command);
    const rss = process.memoryUsage().rss;
    const judged = await postern.judge(tools.read(file), file);
    expect(judged.symbols.filter((one) => /UNCHECKED/.test(one))).not.toEqual([]);
    expect(process.memoryUsage().rss - rss).toBeLessThan(400e6);
  });
});
