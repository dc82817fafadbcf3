// Archives of zip, 7z, Python, tar, cpio, ar, dpkg-deb, rpmbuild, zstd: what is in them is found, under the names that the tools unpack.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
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
  tools.write("notes.txt", "some notes ".repeat(200));
});
afterEach(() => tools.close());

const sha256 = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");

/** The name, what makes it (into that file). */
const ARCHIVES: readonly (readonly [string, string])[] = [
  ["a.zip", "zip -q a.zip *.txt *.dat"],
  ["stored.zip", "zip -q -0 stored.zip *.txt *.dat"],
  ["streamed.zip", "zip -q - *.txt *.dat | cat > streamed.zip"],
  ["commented.zip", "echo a comment | zip -q -z commented.zip *.txt *.dat"],
  ["zip64.zip", "zip -q -fz zip64.zip *.txt *.dat"],
  ["seven.zip", "7z a -tzip -bd seven.zip *.txt *.dat"],
  ["deflate64.zip", "7z a -tzip -mm=Deflate64 -bd deflate64.zip *.txt *.dat"],
  ["bzip2.zip", "7z a -tzip -mm=BZip2 -bd bzip2.zip *.txt *.dat"],
  ["lzma.zip", "7z a -tzip -mm=LZMA -bd lzma.zip *.txt *.dat"],
  ["xz.zip", "7z a -tzip -mm=xz -bd xz.zip *.txt *.dat"],
  ["python.zip", "python3 -m zipfile -c python.zip *.txt *.dat"],
  ["junk.zip", "zip -q x.zip *.txt *.dat; (head -c 3000 /dev/zero; cat x.zip) > junk.zip"],
  ["grown.zip", "zip -q grown.zip notes.txt; zip -q grown.zip *.txt *.dat"],
  ["a.tar", "tar cf a.tar *.txt *.dat"],
  ["v7.tar", "tar --format=v7 -cf v7.tar *.txt *.dat"],
  ["pax.tar", "tar --format=pax -cf pax.tar *.txt *.dat"],
  ["python.tar", "python3 -m tarfile -c python.tar *.txt *.dat"],
  ["sparse.tar", "truncate -s 10M photo.dat; tar -S -cf sparse.tar *.txt *.dat"],
  ["a.tar.gz", "tar czf a.tar.gz *.txt *.dat"],
  ["a.tar.zst", "tar c *.txt *.dat | zstd -q > a.tar.zst"],
  ["seven.tar", "7z a -ttar -bd seven.tar *.txt *.dat"],
  ...["newc", "crc", "odc", "bin"].map(
    (form) => [`${form}.cpio`, `ls *.txt *.dat | cpio -o -H ${form} > ${form}.cpio`] as const,
  ),
  ["pax.cpio", "pax -w -x cpio -f pax.cpio *.txt *.dat"],
  ["a.ar", "ar qc a.ar *.txt *.dat"],
];

test.each(ARCHIVES)("%s", async (file, command) => {
  tools.run(command);
  const judged = await postern.judge(tools.read(file), file);
  expect(judged.marked("EICAR")).toContain("eicar.txt");
  expect(judged.symbols).toContain("SELFTEST_EICAR");
  const photo = judged.parts.find(({ names }) => names.includes("photo.dat"));
  expect(photo?.kinds).toEqual(["exe", "exe-ms"]);
  if (file !== "sparse.tar") expect(photo?.sha256).toBe(sha256(PROGRAM));
  expect(judged.details("BANNED").join()).toContain("photo.dat");
  expect(judged.symbols.filter((one) => /UNCHECKED|MALFORMED|ENCRYPTED/.test(one))).toEqual([]);
});

describe("at each level", () => {
  const wrap: Readonly<Record<string, string>> = {
    zip: "zip -q next *",
    tar: "tar cf next *",
    gz: "for f in *; do gzip -c $f > next; done",
    zst: "for f in *; do zstd -qc $f > next; done",
    cpio: "ls * | cpio --quiet -o -H newc > next",
  };
  test.each([
    "zip zip zip",
    "tar gz zip",
    "zip tar zst",
    "cpio gz tar zip",
    "zip zip zip zip zip zip zip zip",
  ])("%s", async (levels) => {
    tools.run("mkdir w; mv eicar.txt photo.dat w");
    for (const level of levels.split(" ")) {
      const made = level === "zip" ? "next.zip" : "next";
      tools.run(`cd w; ${wrap[level]!}; mv ${made} ../held; rm -f *; mv ../held inner.${level}`);
    }
    const last = levels.split(" ").at(-1)!;
    const judged = await postern.judge(tools.read(`w/inner.${last}`), `inner.${last}`);
    expect(judged.marked("EICAR")).toContain("eicar.txt");
    const photo = judged.parts.find(({ names }) => names.includes("photo.dat"));
    expect(photo?.sha256).toBe(sha256(PROGRAM));
    expect(photo?.path.split("/")).toHaveLength(levels.split(" ").length + 2);
  });
});

describe("names", () => {
  test("of one archive are those that Python lists", async () => {
    tools.run(
      "mkdir -p 'd/e f'; echo x > 'd/e f/ü.txt'; echo x > 'invoice.pdf.exe'; zip -qr n.zip d invoice.pdf.exe",
    );
    const judged = await postern.judge(tools.read("n.zip"), "n.zip");
    const python =
      "import zipfile\nfor i in zipfile.ZipFile('n.zip').infolist():\n  if not i.is_dir(): print(i.filename)";
    const listed = tools.run(`python3 -c "${python}"`).toString().trim().split("\n");
    const parts = judged.parts.filter(({ path }) => path.startsWith("1/2/"));
    expect(parts).toHaveLength(listed.length);
    for (const name of listed) expect(parts.some(({ names }) => names.includes(name))).toBe(true);
    expect(judged.details("BANNED").join()).toContain("invoice.pdf.exe");
  });

  test("of a hundred random archives too, and their octets", async () => {
    tools.run(
      `python3 - <<'END'
import io, random, zipfile, hashlib, json
random.seed(7)
out = []
for n in range(100):
    listed = {}
    with zipfile.ZipFile("r%d.zip" % n, "w") as z:
        for m in range(random.randint(0, 6)):
            name = "".join(random.choice("ab/.ü 中x") for _ in range(random.randint(1, 9))).strip("/") + str(m)
            data = bytes(random.choices(range(256), k=random.randint(0, 3000))) * random.randint(1, 9)
            how = random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            if random.random() < 0.5: z.writestr(name, data, how)
            else:
                info = zipfile.ZipInfo(name); info.compress_type = how
                with z.open(info, "w", force_zip64=random.random() < 0.3) as f: f.write(data)
            listed[name] = hashlib.sha256(data).hexdigest()
    out.append(listed)
json.dump(out, open("listed.json", "w"))
END`,
    );
    const all = JSON.parse(tools.read("listed.json").toString()) as Record<string, string>[];
    for (const [n, listed] of all.entries()) {
      const judged = await postern.judge(tools.read(`r${n}.zip`), "r.zip");
      const found = judged.parts.filter(({ path }) => /^1\/2\/\d+$/.test(path));
      expect(found.map(({ sha256: sum }) => sum).sort()).toEqual(Object.values(listed).sort());
      for (const name of Object.keys(listed))
        expect(judged.parts.some(({ names }) => names.includes(name))).toBe(true);
      expect(judged.symbols).not.toContain("MALFORMED");
    }
  });
});

describe("encrypted", () => {
  test.each([
    ["with the old cipher", "zip -q -P secret e.zip *.txt *.dat"],
    ["with AES", "7z a -tzip -mem=AES256 -psecret -bd e.zip *.txt *.dat"],
  ])("%s", async (_how, command) => {
    tools.run(command);
    const judged = await postern.judge(tools.read("e.zip"), "e.zip");
    expect(judged.symbols).toContain("ENCRYPTED");
    expect([...judged.names].sort()).toEqual(["eicar.txt", "notes.txt", "photo.dat"]);
    expect(judged.parts.filter(({ encrypted }) => encrypted)).toHaveLength(4);
    const strict = await judging("deny UNDECIPHERABLE\n");
    expect((await strict.judge(tools.read("e.zip"), "e.zip")).symbols).toContain("BANNED");
    await strict.close();
  });

  test("an archive that is readable in an archive that is not", async () => {
    tools.run("zip -q in.zip eicar.txt; zip -q -P secret e.zip notes.txt; zip -q e.zip in.zip");
    const judged = await postern.judge(tools.read("e.zip"), "e.zip");
    expect(judged.symbols).toEqual(expect.arrayContaining(["ENCRYPTED", "SELFTEST_EICAR"]));
  });
});

test("pieces of a split archive are said to be pieces", async () => {
  tools.run("head -c 300000 /dev/urandom > big; zip -q -s 64k split.zip big eicar.txt");
  for (const file of ["split.z01", "split.zip"]) {
    const judged = await postern.judge(tools.read(file), file.replace("z01", "zip"));
    expect(judged.details("UNCHECKED_ARCHIVE").join()).toContain("container-split");
  }
});

test("Debian packages", async () => {
  tools.run(
    "mkdir -p p/DEBIAN p/usr; cp eicar.txt photo.dat p/usr; printf 'Package: zoo\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@example.org>\\nDescription: x\\n' > p/DEBIAN/control",
  );
  for (const how of ["gzip", "xz", "none", "zstd"]) {
    tools.run(`dpkg-deb -Z${how} -b p ${how}.deb 2>/dev/null`);
    const judged = await postern.judge(tools.read(`${how}.deb`), "zoo.deb");
    expect(judged.marked("EICAR")).toContain("./usr/eicar.txt");
  }
});

test("RPM packages", async () => {
  tools.run("mkdir -p s; cp eicar.txt photo.dat s");
  tools.write(
    "zoo.spec",
    "Name: zoo\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%install\nmkdir -p %{buildroot}/usr\ncp %{here}/s/* %{buildroot}/usr\n%files\n/usr/*\n",
  );
  for (const payload of ["w9.gzdio", "w6.xzdio", "w9.bzdio", "w3.zstdio", "w.ufdio"]) {
    tools.run(
      `rpmbuild -bb --define "here $PWD" --define "_topdir $PWD/top" --define "_binary_payload ${payload}" --define "__os_install_post %{nil}" zoo.spec >/dev/null 2>&1; mv top/RPMS/noarch/*.rpm zoo.rpm`,
    );
    const judged = await postern.judge(tools.read("zoo.rpm"), "zoo.rpm");
    expect(judged.marked("EICAR")).toContain("./usr/eicar.txt");
    expect(judged.symbols).toContain("BANNED");
    expect(judged.symbols).not.toContain("UNCHECKED_ARCHIVE");
  }
});

test("programs that unpack themselves, and programs with documents behind them", async () => {
  tools.run("zip -q in.zip eicar.txt; cat photo.dat in.zip > setup.dat; zip -q -A setup.dat");
  const judged = await postern.judge(tools.read("setup.dat"), "setup.dat");
  expect(judged.marked("EICAR")).toContain("eicar.txt");
  expect(judged.symbols).toContain("BANNED");
  tools.run(
    "mkdir word; echo x > word/document.xml; echo '<Types/>' > '[Content_Types].xml'; zip -qr d.docx word '[Content_Types].xml'; cat photo.dat d.docx > letter.docx",
  );
  const letter = await postern.judge(tools.read("letter.docx"), "letter.docx");
  expect(letter.parts[2]?.kinds).toEqual(expect.arrayContaining(["exe", "exe-ms", "docx"]));
  expect(letter.symbols).toContain("BANNED");
});

test("a method that only 7z knows is said", async () => {
  tools.run("7z a -tzip -mm=PPMd -bd p.zip notes.txt");
  const judged = await postern.judge(tools.read("p.zip"), "p.zip");
  expect(judged.details("UNCHECKED_ARCHIVE").join()).toContain("method 98");
});

describe("documents", () => {
  const document = (kind: string, files: Readonly<Record<string, string>>): void => {
    tools.write(
      "make.py",
      `import zipfile, json\nz = zipfile.ZipFile("made", "w", zipfile.ZIP_DEFLATED)\nfor name, data in json.loads(${JSON.stringify(JSON.stringify({ "[Content_Types].xml": `<Types><Override PartName="/main" ContentType="${kind}"/></Types>`, "_rels/.rels": "<Relationships/>", ...files }))}).items(): z.writestr(name, data.encode("latin1"))\nz.close()`,
    );
    tools.run("python3 make.py");
  };
  const WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
  const GUID = "{01234567-89ab-cdef-0123-456789abcdef}";

  test("ordinary and signed ones raise no alarm", async () => {
    document(WORD, {
      "word/document.xml": "<w:document/>",
      "[trash]/0001.dat": "\0".repeat(500),
      "_xmlsignatures/sig1.xml": "<Signature/>",
      "_xmlsignatures/origin.sigs": "",
      [`customXml/item${GUID}.xml`]: "<x/>",
    });
    const judged = await postern.judge(tools.read("made"), "letter.docx");
    expect(judged.symbols).toEqual([]);
    expect(judged.parts[2]?.kinds).toEqual(["docx"]);
  });

  test.each([
    ["a program by content, wherever it lies", "word/media/image1.png", PROGRAM.toString("latin1")],
    ["a program in the trash", "[trash]/0001.dat", PROGRAM.toString("latin1")],
    ["a script among the embedded files", "word/embeddings/invoice.js", "alert(1)"],
    ["a script that is no part of the document", "run.vbs", "x"],
  ])("%s is banned", async (_what, name, data) => {
    document(WORD, { "word/document.xml": "<w:document/>", [name]: data });
    const judged = await postern.judge(tools.read("made"), "letter.docx");
    expect(judged.symbols).toContain("BANNED");
  });

  test("macros are told, and denied when the operator says so", async () => {
    document(WORD, { "word/document.xml": "x", "word/vbaProject.bin": "x" });
    const judged = await postern.judge(tools.read("made"), "letter.docx");
    expect(judged.details("ACTIVE_CONTENT").join()).toContain("MACRO");
    expect(judged.symbols).not.toContain("BANNED");
    const strict = await judging("deny MACRO\n");
    expect((await strict.judge(tools.read("made"), "letter.docx")).symbols).toContain("BANNED");
    await strict.close();
  });
});
