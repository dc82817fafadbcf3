// crypt(3) with SHA-512: published vectors and properties of the form.
import { expect, test } from "vitest";
import { cryptSha512, isSha512Password } from "../../src/sys/crypt-sha512.ts";

const VECTORS: readonly (readonly [string, string, string])[] = [
  [
    "$6$saltstring",
    "Hello world!",
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
  ],
  [
    "$6$rounds=10000$saltstringsaltstring",
    "Hello world!",
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
  ],
  [
    "$6$rounds=10$roundstoolow",
    "the minimum number is still observed",
    "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
  ],
  [
    "$6$abcd",
    "",
    "$6$abcd$NU/C5Gju0G9iuhwYGc8C4T7UNm5gyOGf7Xo/YAAExf5aQb28mUxIL2q/EzSmLYbkVO9uOhSV40MbPwn7aHHHz0",
  ],
];

test.each(VECTORS)("%s", (setting, password, hash) => {
  expect(cryptSha512(password, setting)).toBe(hash);
  expect(isSha512Password(password, hash)).toBe(true);
  expect(isSha512Password(`${password}x`, hash)).toBe(false);
});

test("other kinds of hash are not ours", () => {
  expect(cryptSha512("x", "$5$salt")).toBeNull();
  expect(isSha512Password("x", "$5$salt$hash")).toBe(false);
});
