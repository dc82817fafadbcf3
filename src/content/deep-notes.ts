// What the deep reading tells while it works, in the order in which it finds it: one note per step, small enough to be written where
// a killed thread leaves it. Written by expand.ts and walk-mail.ts, put into the tree by graft.ts.
import type { Attribute } from "../mail/attributes.ts";
import type { Defect, Part } from "../mail/message.ts";

export type DeepNote =
  /** A part was found; what it is comes later. Paths of parts above it were told before, or are in the tree. */
  | {
      readonly do: "part";
      readonly path: string;
      readonly parent: string;
      readonly type: string;
      readonly disposition?: string;
      readonly names: readonly string[];
      readonly reading?: string;
    }
  /** All octets of a part were read, or all that could be: then `sha256` is "". */
  | ({ readonly do: "facts"; readonly path: string } & Pick<
      Part,
      "size" | "sha256" | "kinds" | "marks"
    >)
  /** More is known of a part, found or in the tree. */
  | {
      readonly do: "add";
      readonly path: string;
      readonly defects?: readonly Defect[];
      readonly attributes?: readonly Attribute[];
      /** Put in front of the kinds, and in the place of one of them. */
      readonly kind?: string;
      readonly instead?: string;
      readonly encrypted?: true;
    }
  /** The reading of what is inside a part begins or ends. */
  | { readonly do: "enter" | "leave"; readonly path: string }
  /** Something was left out; the first reason counts. */
  | { readonly do: "unread"; readonly why: string };

export type Tell = (note: DeepNote) => void;
