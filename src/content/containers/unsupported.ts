// Archives and images that are recognised and not read: each says so, so that it never passes for something harmless.
import { Broken } from "./format.ts";
import type { Format } from "./format.ts";

/** Short types of magic.ts. */
const KINDS = [
  "ace",
  "alz",
  "chm",
  "egg",
  "lrz",
  "lzo",
  "pack",
  "qcow",
  "sit",
  "squashfs",
  "vmdk",
  "wim",
  "xar",
  "zoo",
];

export const UNSUPPORTED: readonly Format[] = [
  ...KINDS.map((kind) => unsupported(kind, { kinds: [kind] })),
  // Its mark stands at the end.
  unsupported("dmg", { kinds: [], extensions: ["dmg"] }),
];

function unsupported(name: string, of: Pick<Format, "kinds" | "extensions">): Format {
  return {
    name,
    ...of,
    // eslint-disable-next-line require-yield -- there is none to give
    *members() {
      throw new Broken(`${name} is not read`, "container-unsupported");
    },
  };
}
