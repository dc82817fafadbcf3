// An address against <base>, as SpamAssassin resolves it: RFC 3986 section 5 with a few habits of its own. Called by links.ts.

interface Pieces {
  scheme: string | undefined;
  authority: string | undefined;
  path: string;
  query: string | undefined;
  fragment: string | undefined;
}

const PIECES = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^\n]*))?/;

function piecesOf(uri: string): Pieces {
  const [, scheme, authority, path = "", query, fragment] = PIECES.exec(uri) ?? [];
  return { scheme, authority, path, query, fragment };
}

/** `base` is "" without one. */
export function resolveUri(base: string, uri: string): string {
  const from = piecesOf(base);
  const to = piecesOf(uri);
  if (to.scheme !== undefined && to.scheme === from.scheme) to.scheme = undefined;
  if (to.scheme === undefined) {
    to.scheme = from.scheme;
    if (to.authority !== undefined) to.path = withoutDots(to.path);
    else resolvePath(from, to);
  } else {
    to.path = withoutDots(to.path);
  }
  return joined(to);
}

function resolvePath(from: Pieces, to: Pieces): void {
  if (to.path === "") {
    to.path = from.path;
    to.query ??= from.query;
  } else if (to.path.startsWith("/")) {
    to.path = withoutDots(to.path);
  } else if (from.authority !== undefined && (from.path === "" || from.path === "0")) {
    to.path = withoutDots(`/${to.path}`);
  } else {
    to.path = withoutDots(from.path.slice(0, from.path.lastIndexOf("/") + 1) + to.path);
  }
  to.authority = from.authority;
}

/** Without "." and ".." segments. A path of "0" is lost: Perl takes it for nothing. */
function withoutDots(path: string): string {
  const whole = path.replace(/^\.\.?\//, "/");
  if (!whole.includes("/.")) return whole === "0" ? "" : whole;
  const segments: string[] = [];
  let at = 0;
  while (at < whole.length) {
    const slash = whole.indexOf("/", at + 1);
    const end = slash < 0 ? whole.length : slash;
    const segment = whole.slice(at, end);
    // A line feed at the very end is looked over here, and kept.
    const isLast = end === whole.length;
    const name = isLast && segment.endsWith("\n") ? segment.slice(0, -1) : segment;
    if (name === "/." || name === "/..") {
      if (name === "/..") segments.pop();
      if (isLast) segments.push(segment.endsWith("\n") ? "/\n" : "/");
    } else {
      segments.push(segment);
    }
    at = end;
  }
  return segments.join("");
}

function joined({ scheme, authority, path, query, fragment }: Pieces): string {
  let uri = "";
  if (scheme !== undefined && scheme !== "0") uri = `${scheme}:`;
  else if (authority !== undefined && /^www\d*\./i.test(authority)) uri = "http:";
  else if (authority !== undefined && /^ftp\d*\./i.test(authority)) uri = "ftp:";
  if (authority !== undefined) uri += `//${authority}`;
  uri += path;
  if (query !== undefined) uri += `?${query}`;
  if (fragment !== undefined) uri += `#${fragment}`;
  return uri;
}
