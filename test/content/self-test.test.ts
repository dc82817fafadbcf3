import { expect, test } from "vitest";
import fc from "fast-check";
import { markFinder } from "../../src/content/self-test.ts";

const EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

function marks(text: string, cuts: readonly number[]): readonly string[] {
  const bytes = Buffer.from(text);
  const finder = markFinder();
  let at = 0;
  for (const end of [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  )) {
    if (end > at) finder.write(bytes.subarray(at, end));
    at = end;
  }
  return finder.marks;
}

test.each([
  ["", []],
  [EICAR, ["EICAR"]],
  [`x\n${EICAR}\n`, ["EICAR"]],
  [`${GTUBE} ${EICAR}`, ["EICAR", "GTUBE"]],
  [GTUBE.slice(1), []],
  [EICAR.slice(0, -1), []],
  [EICAR.toLowerCase(), []],
])("%j has %j", (text, expected) => {
  expect(marks(text, [])).toEqual(expected);
});

test("is found however the octets are cut", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.constantFrom(EICAR, GTUBE),
      fc.string(),
      fc.array(fc.nat()),
      (a, mark, b, cuts) => {
        expect(marks(a + mark + b, cuts)).toHaveLength(1);
      },
    ),
  );
  expect(
    marks(
      GTUBE + EICAR,
      Array.from({ length: 200 }, (_, i) => i),
    ),
  ).toEqual(["EICAR", "GTUBE"]);
});
