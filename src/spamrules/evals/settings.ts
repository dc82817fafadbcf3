// How eval functions read the settings that the rule book keeps as they stand.
import type { Settings } from "../rulebook.ts";

/** The last value given for a number; the default without one, or when it is none. */
export function numberOf(settings: Settings, name: string, fallback: number): number {
  const text = settings.others.get(name)?.at(-1);
  return text === undefined || !/^-?\d+(?:\.\d+)?$/.test(text.trim()) ? fallback : Number(text);
}

/** The last value given. */
export function textOf(settings: Settings, name: string, fallback: string): string {
  return settings.others.get(name)?.at(-1) ?? fallback;
}

/** The last value given for a switch. */
export function isOn(settings: Settings, name: string, fallback: boolean): boolean {
  const text = settings.others.get(name)?.at(-1);
  return text === undefined ? fallback : /^(?:1|yes|true|on)$/i.test(text.trim());
}

/** All words of all lines of a list. */
export function wordsOf(settings: Settings, name: string): string[] {
  return (settings.others.get(name) ?? []).flatMap((line) => line.split(/\s+/)).filter(Boolean);
}
