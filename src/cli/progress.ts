// A progress bar on standard error for long work; silent when standard error is no terminal.

export interface Progress {
  step(done: number): void;
  end(): void;
}

/** `total` units of work, shown at most ten times a second. */
export function progress(
  label: string,
  total: number,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  let last = 0;
  const shown = stream.isTTY === true && total > 1;
  return {
    step(done) {
      const now = Date.now();
      if (!shown || (now - last < 100 && done < total)) return;
      last = now;
      const width = 30;
      const filled = Math.round((width * done) / total);
      stream.write(
        `\r${label} [${"#".repeat(filled)}${".".repeat(width - filled)}] ${done}/${total}`,
      );
    },
    end() {
      if (shown) stream.write("\r\x1b[K");
    },
  };
}
