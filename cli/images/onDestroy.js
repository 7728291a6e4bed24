// What `pulumi destroy` runs for mltraining:imageFamily (components/imageFamily.ts), unless retainImages is set: every
// image of the family goes, and what builds have left. It needs nothing but what it is told, wherever the clone lies now.
import { fileURLToPath } from "node:url";

if (!process.env.MLT_IMAGE_ENVIRONMENT) {
  console.error(
    "cli/images/onDestroy.js is called by pulumi destroy. Remove images yourself with: npx mlt image remove",
  );
  process.exit(64);
}
const mlt = fileURLToPath(new URL("../mlt.js", import.meta.url));
process.argv = [process.argv[0], mlt, "image", "remove", "--wait", "--yes", "--json"];
await import("../mlt.js");
