// Reads a container through its format alone, as expand.ts would, and gives all that it says.
import { Broken } from "../../../src/content/containers/format.ts";
import type { Format } from "../../../src/content/containers/format.ts";
import { octetsOf } from "../../../src/content/containers/octets.ts";

export interface Read {
  /** By first name; "directory" and "link" say so, and what could not be read says why. */
  readonly members: {
    names: string[];
    what: string;
    text: string | null;
    encrypted: boolean;
    defects: string[];
  }[];
  /** Defects, attributes, kinds, "encrypted"; in order, each once. */
  readonly said: string[];
  /** Why it ended early. */
  readonly broken: string | null;
  readonly longestPiece: number;
}

/** Octets of a member beyond `limit` are not read. */
export async function readMembers(format: Format, bytes: Buffer, limit = 1e6): Promise<Read> {
  const said = new Set<string>();
  const members: Read["members"] = [];
  let broken: string | null = null;
  let longestPiece = 0;
  try {
    for await (const member of format.members(octetsOf(bytes), {
      defect: (kind) => said.add(kind),
      attribute: (name) => said.add(name),
      kind: (short, instead) => said.add(instead === undefined ? short : `${instead}=${short}`),
      encrypted: () => said.add("encrypted"),
    })) {
      const defects = (member.defects ?? []).map(({ kind }) => kind as string);
      const got: Buffer[] = [];
      let length = 0;
      try {
        for await (const piece of member.octets?.() ?? []) {
          longestPiece = Math.max(longestPiece, piece.length);
          got.push(Buffer.from(piece));
          length += piece.length;
          if (length >= limit) break;
        }
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        defects.push(error.kind);
      }
      members.push({
        names: [...member.names],
        what: member.what,
        text: member.octets === undefined ? null : Buffer.concat(got).toString("latin1"),
        encrypted: member.encrypted === true,
        defects,
      });
    }
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    broken = error.message;
  }
  return { members, said: [...said], broken, longestPiece };
}
