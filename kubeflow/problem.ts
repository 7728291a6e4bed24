import { UserError } from "../training/errors.ts";

/** A mistake or a lack that the user can do something about; its message is all that is shown. */
export class KubeflowError extends UserError {
  override name = "KubeflowError";
}
