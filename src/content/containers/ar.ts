// Unix ar archives, Debian packages among them: names in the System V (GNU) and the BSD form.
import { Broken } from "./format.ts";
import type { Format, Member } from "./format.ts";
import { octetsWithin, pieces } from "./octets.ts";
import type { Octets } from "./octets.ts";

const MAGIC = "!<arch>\n";
const HEADER = 60;
const MAX_NAME = 64 * 1024;
/** The table of long names is kept up to so many octets. */
const MAX_TABLE = 1024 * 1024;

export const ar: Format = {
  name: "ar",
  kinds: ["ar", "deb"],
  extensions: ["deb", "udeb", "ipk"],
  *members(file) {
    if (file.read(0, MAGIC.length).toString("latin1") !== MAGIC) throw new Broken("ar: no mark");
    let table = Buffer.alloc(0);
    for (let at = MAGIC.length; at < file.size;) {
      const head = file.read(at, HEADER).toString("latin1");
      const size = /^\d+ *$/.test(head.slice(48, 58))
        ? Number.parseInt(head.slice(48, 58), 10)
        : -1;
      if (head.slice(58) !== "`\n" || size < 0) throw new Broken("ar: bad header");
      const octets = octetsWithin(file, at + HEADER, size);
      const name = head.slice(0, 16).trimEnd();
      if (name === "//") table = Buffer.from(octets.read(0, MAX_TABLE));
      else yield memberOf(octets, size, name, table);
      at += HEADER + size + (size & 1);
    }
  },
};

function memberOf(octets: Octets, size: number, raw: string, table: Buffer): Member {
  const bsd = /^#1\/(\d{1,5})$/.exec(raw);
  const inside = bsd === null ? 0 : Math.min(Number(bsd[1]), MAX_NAME, size);
  const name =
    bsd !== null ? octets.read(0, inside).toString("utf8").replace(/\0+$/, "") : nameOf(raw, table);
  return {
    names: name === "" ? [] : [name],
    what: "file",
    *octets() {
      yield* pieces(octetsWithin(octets, inside, octets.size - inside));
      if (octets.size < size) throw new Broken("ar: cut off");
    },
  };
}

/** "/123" points into the table of long names, whose entries end in "/\n"; a short name ends in "/". */
function nameOf(raw: string, table: Buffer): string {
  const place = /^\/(\d{1,9})$/.exec(raw);
  if (place === null) return raw === "/" ? raw : raw.replace(/\/$/, "");
  const from = Number(place[1]);
  const end = table.indexOf(0x0a, from);
  return table.toString("utf8", from, end < 0 ? table.length : end).replace(/\/$/, "");
}
