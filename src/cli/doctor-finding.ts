// One thing that `postern doctor` says. For doctor.ts and the files beside it that ask one dependency each.

export interface Finding {
  readonly level: "ok" | "warning" | "wrong";
  readonly text: string;
}

export const ok = (text: string): Finding => ({ level: "ok", text });
export const warning = (text: string): Finding => ({ level: "warning", text });
export const wrong = (text: string): Finding => ({ level: "wrong", text });
