// "127.0.0.1:10024" and "[::1]:10024" taken apart.

export const hostOf = (listen: string): string =>
  listen.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
export const portOf = (listen: string): number => Number(/:(\d+)$/.exec(listen)?.[1] ?? "0");
