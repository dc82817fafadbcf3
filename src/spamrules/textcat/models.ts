// Models of languages, as SpamAssassin's file `languages` holds them: for each the groups of octets that are commonest in it, first the
// commonest, then a line "0 NAME". guess.ts compares texts with them.

export interface Models {
  /** "en", "de.utf8", "ru.koi8-r", in the order of the file. */
  readonly names: readonly string[];
  /** By group: a model's place among the names and the group's rank in it, from 1 on, one behind the other. */
  readonly ranks: ReadonlyMap<string, readonly number[]>;
}

/** Never throws; what has no name behind it is no model. Models of one name are several all the same. */
export function readModels(text: string): Models {
  const names: string[] = [];
  const ranks = new Map<string, number[]>();
  let model = new Map<string, number>();
  let rank = 0;
  for (const line of text.split("\n")) {
    const name = /^0 (.+)/.exec(line)?.[1];
    if (name === undefined) {
      model.set(line, ++rank);
      continue;
    }
    for (const [group, at] of model) {
      const known = ranks.get(group);
      if (known === undefined) ranks.set(group, [names.length, at]);
      else known.push(names.length, at);
    }
    names.push(name);
    model = new Map();
    rank = 0;
  }
  return { names, ranks };
}
