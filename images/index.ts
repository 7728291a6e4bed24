// What programs use: the command line, the rehearsal, the fault table, tests.
export { type BuildOptions, type BuildResult, buildImage } from "./build.ts";
export { googleImages, type Image, type ImageCloud } from "./cloud.ts";
export { type ListedImage, listFamily } from "./family.ts";
export { type Limits, usualLimits } from "./limits.ts";
export type { BuildEnvironment } from "./machine.ts";
export { cleanBuilds, type PruneResult, promoteImage, prune, removeFamily, rollbackFamily } from "./manage.ts";
export type { Promotion } from "./promote.ts";
export { readRecipe } from "./recipe.ts";
export type { Removed } from "./remove.ts";
export { type TestResult, testImage } from "./smoke.ts";
export { type BuildState, readState } from "./state.ts";
export type { OpenBuildEnvironment, WorkOptions } from "./work.ts";
