import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Router } from "../../core/http.ts";
import { allowQuery, onOne, pathIn, storedPath } from "./collection.ts";
import type { Compute } from "./context.ts";
import { invalid, link } from "./links.ts";

/** What a machine says from inside: its serial console and its guest attributes. */
export function addConsole(router: Router, compute: Compute): void {
  const target = (call: Call, verb: string): string => {
    const path = storedPath(compute, pathIn(call, "instances"));
    compute.requireOn(call, `compute.instances.${verb}`, path);
    compute.get(path);
    return path;
  };
  // The older name of the method is still the one in every client's path.
  for (const verb of ["serialPort", "getSerialPortOutput"]) {
    onOne(router, "zones", "instances", "GET", verb, (call) => {
      allowQuery(call, "port", "start");
      const path = target(call, "getSerialPortOutput");
      const port = Number(call.query.get("port") ?? 1);
      if (!(port >= 1 && port <= 4)) throw invalid("port", call.query.get("port"), "Must be a port from 1 to 4.");
      if (port !== 1) throw notModelled(`serial port ${port}; guests write to port 1`);
      const { contents, start, next } = compute.machines.serial(path).read(Number(call.query.get("start") ?? 0));
      const selfLink = `${link(path)}/serialPort`;
      return {
        json: { kind: "compute#serialPortOutput", selfLink, contents, start: String(start), next: String(next) },
      };
    });
  }
  onOne(router, "zones", "instances", "GET", "getGuestAttributes", (call) => {
    allowQuery(call, "queryPath", "variableKey");
    return { json: guestAttributes(compute, call, target(call, "getGuestAttributes")) };
  });
}

function guestAttributes(compute: Compute, call: Call, path: string): unknown {
  if (!compute.machines.guestAttributesOn(path)) {
    throw new GoogleError(
      403,
      "forbidden",
      "Guest attributes are disabled for this instance: enable-guest-attributes is not TRUE.",
    );
  }
  const queryPath = call.query.get("queryPath") ?? call.query.get("variableKey") ?? "";
  const [namespace = "", key = ""] = queryPath.split("/");
  const items = Object.entries(compute.machines.guestAttributes(path)).flatMap(([space, values]) =>
    Object.entries(values).map(([name, value]) => ({ namespace: space, key: name, value })),
  );
  const found = items.filter((item) => (!namespace || item.namespace === namespace) && (!key || item.key === key));
  if (found.length === 0)
    throw new GoogleError(404, "notFound", `The resource '${queryPath}' of type 'Guest Attribute' was not found.`);
  const selfLink = `${link(path)}/guestAttributes/${queryPath}`;
  const common = { kind: "compute#guestAttributes", selfLink };
  const only = call.query.has("variableKey") ? found[0] : undefined;
  return only
    ? { ...common, variableKey: queryPath, variableValue: only.value }
    : { ...common, queryPath, queryValue: { items: found } };
}
