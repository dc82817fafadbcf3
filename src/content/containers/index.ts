// The registration list: every container format that is looked into. Adding one is a file here, a line below, a test, and a file
// made by a real tool in the zoo. The first format that claims a short type reads it.
import type { Format } from "./format.ts";
import { zstd } from "./zstd.ts";
import { zip } from "./zip.ts";

export const FORMATS: readonly Format[] = [zip, zstd];
