// Every eval function there is, by the name that rules call it. Adding a plugin is a file here and a line below.
import { NEVER } from "./absent.ts";
import { BAYES } from "./bayes.ts";
import { DKIM } from "./dkim.ts";
import { DMARC } from "./dmarc.ts";
import { DNS } from "./dns.ts";
import type { Eval, Evals } from "./eval.ts";
import { FREEMAIL } from "./freemail.ts";
import { MIME } from "./mime.ts";
import { NAME_SPOOF } from "./name-spoof.ts";
import { SPF } from "./spf.ts";
import { TEXTCAT } from "./textcat.ts";
import { URI } from "./uri.ts";
import { VBOUNCE } from "./vbounce.ts";
import { HEADER } from "./header.ts";
import { LISTS } from "./lists.ts";
import { RELAY } from "./relay.ts";
import { BODY } from "./body.ts";
import { HTML } from "./html.ts";
import { HTTPS } from "./https.ts";
import { IMAGE_INFO } from "./imageinfo.ts";

const PLUGINS: readonly Evals[] = [
  NEVER,
  BAYES,
  BODY,
  HTML,
  HTTPS,
  IMAGE_INFO,
  FREEMAIL,
  HEADER,
  LISTS,
  MIME,
  NAME_SPOOF,
  RELAY,
  URI,
  VBOUNCE,
  DKIM,
  DMARC,
  DNS,
  SPF,
  TEXTCAT,
];

/** By name; a name that two plugins know is the later one's. */
export const EVALS: ReadonlyMap<string, Eval> = new Map(PLUGINS.flatMap(Object.entries));
