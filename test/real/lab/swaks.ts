// swaks, the tool that an operator tries first, against a port; for exact bytes use inject.ts.
import { run, type Ran } from "./lab.ts";

/** Runs swaks against 127.0.0.1:`port`; the code is swaks' own (0: the message was accepted). */
export function swaks(port: number, ...args: readonly string[]): Promise<Ran> {
  return run("swaks", [
    "--server",
    "127.0.0.1",
    "--port",
    String(port),
    "--helo",
    "client.example.org",
    ...args,
  ]);
}
