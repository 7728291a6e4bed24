// What `pulumi up` runs for mltraining:imageFamily (components/imageFamily.ts): the build of an image, unless the family's
// current one is of the same recipe and base. Its result, on stdout, stays in Pulumi's state; it holds no path.
import { fileURLToPath } from "node:url";

const { MLT_IMAGE_RECIPE: recipe, MLT_IMAGE_BASE: base, MLT_IMAGE_ENVIRONMENT: environment } = process.env;
if (!recipe || !base || !environment) {
  console.error("cli/images/onUp.js is called by pulumi up. Build an image yourself with: npx mlt image build");
  process.exit(64);
}
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const build = ["build", at(`../../${recipe}`), "--base-image", base, "--wait", "--json"];
process.argv = [process.argv[0], at("../mlt.js"), "image", ...build];
await import("../mlt.js");
