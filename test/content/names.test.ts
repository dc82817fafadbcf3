import { expect, test } from "vitest";
import { nameForms, namesOf } from "../../src/content/names.ts";
import { entityOf } from "../../src/mail/entity.ts";
import { parseHeader } from "../../src/mail/header.ts";

function names(...fields: string[]): string[] {
  const { header } = parseHeader(Buffer.from(fields.join("\r\n") + "\r\n\r\n"), {
    maxBytes: 65_536,
  });
  return namesOf(entityOf(header, { path: "1", parent: null, depth: 1 }, []));
}

test.each([
  [["A: b"], []],
  [["Content-Type: a/b; name=x.exe"], ["x.exe"]],
  [
    ["Content-Type: a/b; name=x.txt", "Content-Disposition: attachment; filename=y.exe"],
    ["y.exe", "x.txt"],
  ],
  [["Content-Type: a/b; filename=x.exe"], ["x.exe"]],
  [["Content-Disposition: attachment; name=x.exe"], ["x.exe"]],
  [
    ["Content-Type: a/b; name=x.txt", "Content-Type: a/b; name=y.exe"],
    ["y.exe", "x.txt"],
  ],
  [['Content-Type: a/b; name="=?utf-8?B?eC5leGU=?="'], ["=?utf-8?B?eC5leGU=?=", "x.exe"]],
  [["Content-Disposition: a;\r\n filename*0*=utf-8''evil%2E;\r\n filename*1=exe"], ["evil.exe"]],
  [['Content-Disposition: a;\r\n filename="in\r\n voice.exe"'], ["in voice.exe", "invoice.exe"]],
])("names in %j", (fields, expected) => {
  expect(names(...fields)).toEqual(expected);
});

test.each([
  ["x.exe", ["x.exe"]],
  ["", []],
  ["dir/x.exe", ["dir/x.exe", "x.exe"]],
  ["C:\\dir\\x.exe", ["C:\\dir\\x.exe", "x.exe"]],
  ["x.exe. .", ["x.exe. .", "x.exe"]],
  ["x.exe\0.txt", ["x.exe\0.txt", "x.exe", "x.exe.txt"]],
  ["x.e\rxe", ["x.e\rxe", "x.exe"]],
  ["dir/", ["dir/"]],
  ["...", ["..."]],
])("forms of %j", (name, expected) => {
  expect(nameForms(name)).toEqual(expected);
});
