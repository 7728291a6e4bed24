import type { Change } from "../protocol.ts";
import type { Client } from "./client.ts";
import type { Place, Shape } from "./schema.ts";
import type { Props } from "./values.ts";

/** How Pulumi makes a name where the program gives none: the resource's own name, a hyphen and seven hex digits. */
export interface AutoName {
  property: string;
  maximum: number;
}

/** What a call of a resource works with. */
export interface Context {
  client: Client;
  place: Place;
  /** How long the engine lets the call take, in milliseconds. */
  timeoutMs: number;
}

/** A resource as Google has it: the id that Pulumi keeps, and the properties beyond the inputs. */
export interface Found {
  id: string;
  /** Outputs that are no inputs (`selfLink`, `email`, …). */
  outputs: Props;
  /** The inputs that Google's answer amounts to; what it does not say is taken from the state. */
  inputs: Props;
}

/** One resource type of the provider, as a record: what it takes, how it is named, what its calls are. */
export interface ResourceType {
  token: string;
  shape: Shape;
  autoName?: AutoName;
  /** Pulumi deletes the old one first, also where no fixed name forces it. */
  deleteBeforeReplace?: boolean;
  /** Outputs that only Google can tell; unknown in a preview. */
  computed: readonly string[];
  /** Rules over more than one input: each a sentence, with the input that it is about. */
  refuse?: (inputs: Props) => { property: string; reason: string }[];
  create(context: Context, inputs: Props): Promise<Found>;
  /** `undefined`: it is gone. */
  read(context: Context, id: string, state: Props): Promise<Found | undefined>;
  /** Corrects the changes by what only Google knows (an image family that means another image now). */
  adjust?(context: Context, outputs: Props, news: Props, changes: Change[]): Promise<Change[]>;
  /** Absent: every change replaces. */
  update?(context: Context, id: string, olds: Props, news: Props, changes: Change[]): Promise<Found>;
  delete(context: Context, id: string, state: Props): Promise<void>;
}
