import protobuf from "google-protobuf/google/protobuf/struct_pb.js";

// Pulumi hands an object's inputs to the engine as a protobuf `Struct`. The library's own way to make one copies every
// level again for each level above it: fine for settings that are three levels deep, seconds for the schema of a
// CustomResourceDefinition that is thirty. This one makes the same message in one pass, as the arrays that the library
// keeps inside. `Struct.fromJavaScript` is replaced for the whole process, and gives way to the library's for whatever
// it does not know.

const { Struct } = protobuf;
const original = Struct.fromJavaScript.bind(Struct);

type Inside = unknown[];
type Plain = Parameters<typeof Struct.fromJavaScript>[0];

/** Thrown and caught here: the library then says what is wrong. */
const UNKNOWN = Symbol("unknown");

/** A `Value` by its fields: null 1, number 2, string 3, bool 4, struct 5, list 6. */
function valueOf(value: unknown): Inside {
  switch (typeof value) {
    case "number":
      return [undefined, value];
    case "string":
      return [undefined, undefined, value];
    case "boolean":
      return [undefined, undefined, undefined, value];
    case "object":
      if (value === null) return [0];
      if (Array.isArray(value)) return [...NONE, undefined, [value.map(valueOf)]];
      return [...NONE, structOf(value)];
    default:
      throw UNKNOWN;
  }
}

const NONE = [undefined, undefined, undefined, undefined] as const;

function structOf(value: object): Inside {
  return [Object.entries(value).map(([key, member]) => [key, valueOf(member)])];
}

/** The same message as `Struct.fromJavaScript` makes, in time that grows with the size only. */
export function linearStruct(value: Plain): InstanceType<typeof Struct> {
  try {
    // The types do not tell of the array that every message's constructor takes.
    return new (Struct as unknown as new (inside: Inside) => InstanceType<typeof Struct>)(structOf(value));
  } catch (error) {
    if (error !== UNKNOWN) throw error;
    return original(value);
  }
}

/** What Pulumi calls from here on. */
export function useLinearStructs(): void {
  Struct.fromJavaScript = linearStruct;
}

export { original as librarysStruct };
