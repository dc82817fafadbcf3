// A filter without a judgement: hands each message on, byte for byte, before it answers. It proves deploy/ and the harness
// alone: what differs with postern in its place is postern's doing.
import { inject } from "./inject.ts";
import { sink, type Caught, type Sink } from "./sink.ts";

/** Listens where postern would (a port or a socket) and hands on to `next()`; `refuse` answers some messages itself. */
export function passthrough(
  where: number | string,
  next: () => number,
  refuse: (message: Caught) => string | undefined = () => undefined,
): Promise<Sink> {
  const results = new WeakMap<Caught, Promise<string>>();
  return sink(where, {
    async data(message) {
      const own = refuse(message);
      if (own !== undefined) return own;
      // Over LMTP asked once a recipient, handed on once.
      const handed = results.get(message) ?? handOn(message, next());
      results.set(message, handed);
      const reply = await handed;
      return reply.startsWith("2") ? undefined : reply;
    },
  });
}

async function handOn(message: Caught, port: number): Promise<string> {
  const forward = Object.keys(message.xforward).length > 0 ? { xforward: message.xforward } : {};
  const { from, to, data, mailParams } = message;
  const params = mailParams.replace(/\s*SIZE=\d+/i, "").trim();
  return inject({
    port,
    from,
    to,
    data,
    ...forward,
    ...(params === "" ? {} : { mailParams: params }),
  })
    .then((sent) => sent.reply)
    .catch((error: unknown) => `451 4.4.1 ${String(error)}`);
}
