// Instances of libarchive in WebAssembly, each with memory of its own that is bounded. Lent out and taken back, so that a message costs
// no start of its own; one that trapped or grew large is thrown away. Used by libarchive.ts.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import libarchive from "libarchive-wasm";
import type { LibarchiveWasm } from "libarchive-wasm";

export type Library = LibarchiveWasm;

/** All of an instance's memory, so that no declared dictionary takes more. */
const MAX_MEMORY = 352 * 1024 * 1024;
/** An instance that grew beyond this is not used again: its memory never shrinks. */
const MAX_KEPT = 40 * 1024 * 1024;
const MAX_IDLE = 2;
const PAGE = 64 * 1024;

/** The part of WebAssembly that is used here; Node's types leave it to those of browsers. */
interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface Instance {
  readonly exports: Readonly<Record<string, unknown>>;
}
interface Wasm {
  Module: new (octets: Uint8Array) => object;
  Instance: new (module: object, imports: object) => Instance;
  Memory: new (options: object) => Memory;
}
const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: Wasm };

/** What of the emscripten module its types leave open. */
interface Runtime {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(at: number): void;
}

const idle: Library[] = [];
let compiled: object | null = null;

/** An instance for one archive. */
export async function lend(): Promise<Library> {
  return idle.pop() ?? (await start());
}

/** Takes an instance back in which everything is freed. */
export function takeBack(library: Library): void {
  if (heapOf(library).length <= MAX_KEPT && idle.length < MAX_IDLE) idle.push(library);
}

/** Its memory; to be asked anew after each call, since growing replaces it. */
export function heapOf(library: Library): Uint8Array {
  return runtimeOf(library).HEAPU8;
}

/** Room for so many octets; 0 when there is none. */
export function allocate(library: Library, size: number): number {
  return runtimeOf(library)._malloc(size);
}

export function free(library: Library, at: number): void {
  runtimeOf(library)._free(at);
}

const runtimeOf = ({ module }: { readonly module: unknown }): Runtime => module as Runtime;

/** A fresh instance; the module is compiled once per thread. */
async function start(): Promise<Library> {
  compiled ??= new wasm.Module(readFileSync(wasmFile()));
  const module = compiled;
  return libarchive.libarchiveWasm({
    instantiateWasm(imports: object, ready: (instance: Instance) => void): object {
      const instance = new wasm.Instance(module, imports);
      bound(instance);
      ready(instance);
      return instance.exports;
    },
    print: () => undefined,
    printErr: () => undefined,
  });
}

function wasmFile(): string {
  return createRequire(import.meta.url).resolve("libarchive-wasm/dist/libarchive.wasm");
}

/** Refuses memory beyond MAX_MEMORY: an allocation fails then, which libarchive knows how to bear. */
function bound(instance: Instance): void {
  for (const memory of Object.values(instance.exports)) {
    if (!(memory instanceof wasm.Memory)) continue;
    const grow = memory.grow.bind(memory);
    memory.grow = (pages) => {
      if (memory.buffer.byteLength + pages * PAGE > MAX_MEMORY) throw new RangeError("too much");
      return grow(pages);
    };
  }
}
