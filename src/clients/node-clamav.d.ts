// The part of node-clamav 1.0.11 that clamd-tcp.ts uses; the package brings no types.
declare module "node-clamav" {
  import type { Readable } from "node:stream";

  export interface Scanner {
    /** Resolves to clamd's reply with its NUL, to "" when clamd closed without one. */
    scanStream(stream: Readable, timeoutMs: number): Promise<string>;
  }
  export function createScanner(host: string, port: number): Scanner;
}
