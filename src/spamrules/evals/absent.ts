// Functions of SpamAssassin's plugins that are known here but never hit, with the reason. Debian loads none of these plugins but Razor2
// and Pyzor, whose programs are seldom installed.
import type { Evals } from "./eval.ts";

/** Why, and which functions. */
const ABSENT: readonly (readonly [reason: string, functions: string])[] = [
  [
    "asks a network of its own (Razor, Pyzor, DCC): its clients are Perl, Python and C, and send fingerprints of mail away",
    "check_razor2 check_razor2_range check_pyzor check_dcc check_dcc_reputation_range",
  ],
  [
    "keeps a reputation of senders (TxRep, AWL): postern has its own, which counts for all checks",
    "check_senders_reputation check_from_in_auto_welcomelist check_from_in_auto_whitelist",
  ],
  ["wants a database of networks and countries (ASN, URILocalBL)", "check_asn check_uri_local_bl"],
  [
    "looks for macros (OLEVBMacro): postern's own check of contents does, and names them",
    `check_olemacro check_oleobject check_olertfobject check_olemacro_csv check_olemacro_malice check_olemacro_renamed
    check_olemacro_encrypted check_olemacro_zip_password check_olemacro_download_exe check_olemacro_redirect_uri
    check_olemacro_mhtml_uri`,
  ],
  [
    "fetches links over HTTP (DecodeShortURLs): tells senders that their mail was read",
    `short_url short_url_redir short_url_200 short_url_404 short_url_code short_url_chained short_url_maxchain short_url_loop
    short_url_tests`,
  ],
];

/** Reason by function. */
export const ABSENT_REASONS: ReadonlyMap<string, string> = new Map(
  ABSENT.flatMap(([reason, functions]) =>
    functions.split(/\s+/).map((name) => [name, reason] as const),
  ),
);

export const NEVER: Evals = Object.fromEntries(
  [...ABSENT_REASONS.keys()].map((name) => [name, () => false]),
);
