// `if` and `ifplugin`: which lines of a rule file are meant for whom. Answered from tables, nothing is run.
import { calculation } from "./calculate.ts";
import { parseExpression, tokensOf } from "./expression.ts";
import { isFeature, pluginNamed } from "./plugins.ts";

/** Whom the files are read for. */
export interface Reader {
  /** Only local tests: `if (local_tests_only)`. */
  readonly local: boolean;
  /** As SpamAssassin numbers itself: "4.000001". */
  readonly version: string;
  /** As Perl does: 5.036. */
  readonly perlVersion: number;
  /** Full names of the plugins that are loaded by now. */
  readonly plugins: ReadonlySet<string>;
  /** Names that `enable_compat` lines gave. */
  readonly compat: ReadonlySet<string>;
}

export type Answer =
  /** `odd`: what should be said of it all the same. */
  | { readonly holds: boolean; readonly odd: string | null }
  /** The condition cannot be read. `opens`: whether an `endif` belongs to it all the same. */
  | { readonly fault: string; readonly opens: boolean };

const CLASS = /^(?:\w+::){0,10}\w+$/;
const CONF = "Mail::SpamAssassin::Conf::";
const FUNCTIONS = ["plugin", "can", "has"];

export function answer(condition: string, reader: Reader): Answer {
  const tokens = tokensOf(condition);
  const odd = tokens.find((token) => !allowed(token));
  if (odd !== undefined) return { fault: `"${odd}" cannot be read`, opens: false };
  const tree = parseExpression(tokens, (word) => {
    if (FUNCTIONS.includes(word)) return "function";
    return { kind: "name", name: word };
  });
  if (typeof tree === "string") return { fault: tree, opens: true };
  const value = calculation(tree, (leaf) => ({
    value: leaf.kind === "call" ? call(leaf.name, leaf.argument, reader) : known(leaf.name, reader),
  }))([]);
  const nameless = /\b(?:can|has)[\t-\r ]*\([\t-\r ]*(\w+)[\t-\r ]*\)/.exec(condition)?.[1];
  return {
    holds: value !== 0,
    odd: nameless === undefined ? null : `"${nameless}" names no module ("::" is missing)`,
  };
}

function allowed(token: string): boolean {
  return /^(?:\W{1,5}|[+-]?\d+(?:\.\d+)?)$/.test(token) || (token.length > 1 && CLASS.test(token));
}

/** A word that is no function: a number with a name, or a text, which is true. */
function known(word: string, reader: Reader): number {
  if (word === "version") return Number(reader.version);
  if (word === "perl_version") return reader.perlVersion;
  if (word === "local_tests_only") return reader.local ? 1 : 0;
  return 1;
}

function call(name: string, argument: string, reader: Reader): number {
  if (name === "plugin") {
    // Gone with version 4.1; there it counts as loaded.
    if (argument === "Mail::SpamAssassin::Plugin::RaciallyCharged") return 1;
    const plugin = pluginNamed(argument);
    return plugin !== null && reader.plugins.has(plugin) ? 1 : 0;
  }
  const at = argument.lastIndexOf("::");
  if (at < 0) return 0;
  if (argument.startsWith(`${CONF}compat_`))
    return reader.compat.has(argument.slice(CONF.length + "compat_".length)) ? 1 : 0;
  const module = pluginNamed(argument.slice(0, at));
  if (module === null) return isFeature(argument, name === "has") ? 1 : 0;
  if (!reader.plugins.has(module)) return 0;
  return isFeature(module + argument.slice(at), name === "has") ? 1 : 0;
}
