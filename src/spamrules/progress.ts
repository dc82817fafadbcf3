// Where a thread of the engine writes which rule it is at, so that one that was killed still names the guilty one: a length and octets
// in shared memory, written over and over, so it must cost next to nothing.

const MOST = 126;

export function progressMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(MOST + 2);
}

/** What writes there. Names are ASCII; longer ones are cut. */
export function progressWriter(memory: SharedArrayBuffer): (rule: string) => void {
  const octets = new Uint8Array(memory);
  // A loop over so few octets is several times as fast as Buffer's write().
  return (rule) => {
    const length = Math.min(rule.length, MOST);
    for (let at = 0; at < length; at++) octets[at + 1] = rule.charCodeAt(at);
    octets[0] = length;
  };
}

/** The last name written, "" for none. */
export function readProgress(memory: SharedArrayBuffer): string {
  const octets = Buffer.from(memory);
  return octets.toString("latin1", 1, 1 + (octets[0] ?? 0));
}
