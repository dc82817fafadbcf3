// The registration list: every container format that is looked into. Adding one is a file here, a line below, a test, and a file
// made by a real tool in the zoo. Formats that claim the same
// short type are tried in this order until one reads it.
import type { Format } from "./format.ts";
import { rpm } from "./rpm.ts";
import { ar } from "./ar.ts";
import { cpio } from "./cpio.ts";
import { tar } from "./tar.ts";
import { gzip } from "./gzip.ts";
import { zstd } from "./zstd.ts";
import { zip, zipProgram } from "./zip.ts";
import { bzip2 } from "./bzip2.ts";
import { compress } from "./compress.ts";
import { lzip, lzma } from "./lzma-files.ts";
import { rar } from "./rar.ts";
import { sevenZip } from "./sevenzip.ts";
import { xz } from "./xz.ts";
import { arj } from "./arj.ts";
import { cab } from "./cab.ts";
import { disk } from "./disk.ts";
import { iso } from "./iso.ts";
import { lha } from "./lha.ts";
import { lz4 } from "./lz4.ts";
import { sfx } from "./sfx.ts";
import { UNSUPPORTED } from "./unsupported.ts";
import { cms } from "./cms.ts";
import { html } from "./html.ts";
import { lnk } from "./lnk.ts";
import { ole } from "./ole.ts";
import { onenote } from "./onenote.ts";
import { pdf } from "./pdf.ts";
import { rtf } from "./rtf.ts";
import { tnef } from "./tnef.ts";

export const FORMATS: readonly Format[] = [
  zip,
  zstd,
  gzip,
  tar,
  cpio,
  ar,
  rpm,
  bzip2,
  xz,
  lzma,
  lzip,
  compress,
  sevenZip,
  rar,
  cab,
  lha,
  arj,
  lz4,
  iso,
  disk,
  sfx,
  cms,
  html,
  lnk,
  ole,
  onenote,
  pdf,
  rtf,
  tnef,
  ...UNSUPPORTED,
  zipProgram,
];
