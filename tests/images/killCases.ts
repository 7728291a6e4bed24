import type { End } from "./judge.ts";

/** A launcher that is killed at a point of its work, and who comes after it. */
export interface KillCase {
  name: string;
  kind: "killed, built again" | "killed, cleaned";
  family: string;
  point: string;
  ends: End;
  keeps: boolean;
  quick?: boolean;
}

/** Every point that `drive` and what it calls tell of, in order. */
export const POINTS = [
  "named",
  "at prepared",
  "did prepared",
  "at building",
  "asking for build machine",
  "made build machine",
  "did building",
  "at built",
  "did built",
  "at imaging",
  "did imaging",
  "at candidate",
  "did candidate",
  "at testing",
  "asking for test machine",
  "made test machine",
  "did testing",
  "at tested",
  "did tested",
  "at promoting",
  "did promoting",
  "at cleaning",
  "did cleaning",
] as const;

/** From here on the image has passed its test and is kept. */
const TESTED = POINTS.indexOf("did tested");
/** From here on the family names it. */
const PROMOTED = POINTS.indexOf("did promoting");
const QUICK: readonly string[] = ["asking for build machine", "did imaging", "made test machine", "did promoting"];

export function killCases(): KillCase[] {
  return POINTS.flatMap((point, index): KillCase[] => {
    const promoted = index >= PROMOTED;
    const quick = QUICK.includes(point);
    return [
      {
        name: `killed at "${point}", built again`,
        kind: "killed, built again",
        family: `again-${index}`,
        point,
        ends: "promoted",
        keeps: false,
        quick,
      },
      {
        name: `killed at "${point}", cleaned`,
        kind: "killed, cleaned",
        family: `clean-${index}`,
        point,
        ends: promoted ? "promoted" : "untouched",
        keeps: !promoted && index >= TESTED,
        quick: quick && index % 2 === 0,
      },
    ];
  });
}
