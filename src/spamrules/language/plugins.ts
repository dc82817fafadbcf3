// What the plugins that `loadplugin` lines name bring along: eval functions, settings and features. postern does their work itself; a
// plugin that is not in these tables is Perl code of somebody else, which it cannot run.
import { CORE_FEATURES, EVALS_OF, FEATURES_OF } from "./plugin-evals.ts";
import { CORE_SETTINGS, SETTINGS_OF } from "./plugin-settings.ts";

export type DeclaredOn = "header" | "body" | "rawbody" | "full" | "rbl" | "any";
export type SettingForm =
  | "string"
  | "bool"
  | "number"
  | "duration"
  | "pair"
  | "addresses"
  | "words"
  | "raw"
  | "bare"
  | "own";
export type EvalTable = Readonly<Record<string, Partial<Readonly<Record<DeclaredOn, string>>>>>;
export type SettingTable = Readonly<Record<string, Partial<Readonly<Record<SettingForm, string>>>>>;

const PREFIX = "Mail::SpamAssassin::Plugin::";
/** Plugins without functions, settings or features of their own. */
const QUIET = `BodyRuleBaseExtractor Check OneLineBodyRuleType P595Body RelayCountry Rule2XSBody Reuse`;
/** Names that were changed; both mean the same plugin. */
const RENAMED: Readonly<Record<string, string>> = {
  Dmarc: "DMARC",
  WhiteListSubject: "WelcomeListSubject",
};
/** Families of settings: bayes_stopword_en, hashbl_acl_NAME, extracttext_use … */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^bayes_stopword_[a-z]{2}$/, "Bayes"],
  [/^hashbl_acl_[a-z0-9]{1,32}$/, "HashBL"],
  [/^extracttext_(?:external|use)$/, "ExtractText"],
];

const EVALS = new Map<string, { readonly plugin: string; readonly on: DeclaredOn }>();
const SETTINGS = new Map<string, { readonly plugins: string[]; readonly form: SettingForm }>();
const FEATURES = new Set<string>();
const KNOWN = new Set<string>([
  ...listed(QUIET),
  ...Object.keys(EVALS_OF),
  ...Object.keys(SETTINGS_OF),
  ...Object.keys(FEATURES_OF),
]);
fill();

/** The full name by which a plugin is known here, whatever it was called; null when it is none of SpamAssassin's own. */
export function pluginNamed(name: string): string | null {
  const bare = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
  if (bare === null) return null;
  const now = RENAMED[bare] ?? bare;
  return KNOWN.has(now) ? PREFIX + now : null;
}

/** Where an eval function must be declared and which plugin (full name) knows it; null for an unknown one. */
export function evalNamed(
  name: string,
): { readonly on: DeclaredOn; readonly plugin: string } | null {
  const found = EVALS.get(name);
  return found === undefined ? null : { on: found.on, plugin: PREFIX + found.plugin };
}

/** The form of a setting and the plugins (full names) of which it needs one; none for the core's. */
export function settingNamed(
  name: string,
): { readonly form: SettingForm; readonly plugins: readonly string[] } | null {
  const family = FAMILIES.find(([pattern]) => pattern.test(name));
  if (family !== undefined) return { form: "raw", plugins: [PREFIX + family[1]] };
  return SETTINGS.get(name) ?? null;
}

/** Whether `can(NAME)` holds, given that the plugin in it is loaded. `has` asks for functions too. */
export function isFeature(name: string, has: boolean): boolean {
  if (FEATURES.has(name)) return true;
  const at = name.lastIndexOf("::");
  return has && EVALS.get(name.slice(at + 2))?.plugin === name.slice(PREFIX.length, at);
}

function fill(): void {
  for (const [plugin, lists] of Object.entries(EVALS_OF))
    for (const [on, names] of Object.entries(lists))
      for (const name of listed(names)) EVALS.set(name, { plugin, on: on as DeclaredOn });
  for (const [form, names] of Object.entries(CORE_SETTINGS))
    for (const name of listed(names))
      SETTINGS.set(name, { plugins: [], form: form as SettingForm });
  for (const [plugin, lists] of Object.entries(SETTINGS_OF))
    for (const [form, names] of Object.entries(lists))
      for (const name of listed(names)) {
        const known = SETTINGS.get(name);
        if (known !== undefined) known.plugins.push(PREFIX + plugin);
        else SETTINGS.set(name, { plugins: [PREFIX + plugin], form: form as SettingForm });
      }
  for (const name of listed(CORE_FEATURES)) FEATURES.add(`Mail::SpamAssassin::Conf::${name}`);
  for (const [plugin, names] of Object.entries(FEATURES_OF))
    for (const name of listed(names)) FEATURES.add(`${PREFIX}${plugin}::${name}`);
}

function listed(names: string): string[] {
  return names.split(/\s+/).filter((name) => name !== "");
}
