import proto from "@pulumi/pulumi/proto/provider_pb.js";
import structs from "google-protobuf/google/protobuf/struct_pb.js";
import { compact, type Props } from "./gcp/values.ts";

// Pulumi's messages as the attached providers write and read them.

export type Struct = InstanceType<typeof structs.Struct>;

/** A property that has something wrong, in words. */
export interface Problem {
  property: string;
  reason: string;
}

/** One property that differs between the last inputs and the new ones. */
export interface Change {
  /** Pulumi's path: `disks[0].sourceImage`, `metadata["startup-script"]`. */
  path: string;
  kind: "add" | "delete" | "update";
  replace: boolean;
}

/** The properties of a message, secrets still wrapped. */
export function plainProps(value: unknown): Props {
  return value === undefined ? {} : ((value as Struct).toJavaScript() as Props);
}

export function struct(value: Props): Struct {
  return structs.Struct.fromJavaScript(compact(value) as Parameters<typeof structs.Struct.fromJavaScript>[0]);
}

/** What the provider can take of Pulumi's special values; the engine unwraps the rest. */
export function handshake(accepts: { secrets: boolean }): InstanceType<typeof proto.ProviderHandshakeResponse> {
  const response = new proto.ProviderHandshakeResponse();
  response.setAcceptSecrets(accepts.secrets);
  response.setAcceptResources(false);
  response.setAcceptOutputs(false);
  return response;
}

export function checked(inputs: Props, problems: readonly Problem[]): InstanceType<typeof proto.CheckResponse> {
  const response = new proto.CheckResponse();
  response.setInputs(struct(inputs));
  response.setFailuresList(
    problems.map(({ property, reason }) => {
      const failure = new proto.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return response;
}

export function difference(
  changes: readonly Change[],
  deleteBeforeReplace: boolean,
): InstanceType<typeof proto.DiffResponse> {
  const { Kind } = proto.PropertyDiff;
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  const response = new proto.DiffResponse();
  const { DiffChanges } = proto.DiffResponse;
  response.setChanges(changes.length > 0 ? DiffChanges.DIFF_SOME : DiffChanges.DIFF_NONE);
  response.setHasdetaileddiff(true);
  response.setDeletebeforereplace(deleteBeforeReplace);
  for (const { path, kind, replace } of changes) {
    const detail = new proto.PropertyDiff();
    detail.setKind(kinds[kind][replace ? 1 : 0]);
    detail.setInputdiff(true);
    response.getDetaileddiffMap().set(path, detail);
    response.addDiffs(path);
    if (replace) response.addReplaces(path);
  }
  return response;
}
