// Puts into a local cloud what the program registers under mocks, without the engine, which takes most of a minute for two
// students: accounts, roles, every grant as it stands there, buckets, templates, workstations. How the engine does the
// same is shown by tests/engine/scopes.test.ts and by the course's own rehearsal.
import assert from "node:assert/strict";
import type { StackPlan } from "../../course/contract.ts";
import type { Environment } from "../../training/contract.ts";
import type { Recorded } from "../helpers/record.ts";
import { add, type Grant, type Rights, recorded, SUBNETWORK } from "./rights.ts";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

type Call = (method: string, path: string, body?: unknown) => Promise<Answer>;

interface Binding {
  role: string;
  members: string[];
  condition?: { title: string; expression: string };
}

const IMAGE = "projects/debian-cloud/global/images/family/debian-12";

export class Builder {
  readonly #call: Call;
  readonly #project: string;
  #begun = false;

  constructor(call: Call, project: string) {
    this.#call = call;
    this.#project = project;
  }

  /** The foundation; called again, its grants on the project and the subnetwork are made anew. */
  async foundation(plan: StackPlan): Promise<void> {
    const resources = await recorded(plan);
    const ofType = (type: string) => resources.filter((each) => each.type === type).map(({ inputs }) => inputs);
    const compute = `compute/v1/projects/${this.#project}`;
    if (!this.#begun) {
      this.#begun = true;
      const network = { name: "net", autoCreateSubnetworks: false };
      await this.#done(`${compute}/global/networks`, network);
      const link = `projects/${this.#project}/global/networks/net`;
      const subnetwork = { name: SUBNETWORK, network: link, ipCidrRange: "10.10.0.0/20" };
      await this.#done(`${compute}/regions/us-central1/subnetworks`, subnetwork);
      for (const { accountId, displayName, description } of ofType("gcp:serviceaccount/account:Account")) {
        const serviceAccount = { displayName, description };
        await this.#ok("POST", `iam/v1/projects/${this.#project}/serviceAccounts`, { accountId, serviceAccount });
      }
      for (const { roleId, title, description, permissions, stage } of ofType(
        "gcp:projects/iAMCustomRole:IAMCustomRole",
      )) {
        const role = { title, description, includedPermissions: permissions, stage };
        await this.#ok("POST", `iam/v1/projects/${this.#project}/roles`, { roleId, role });
      }
    }
    await this.#grant(grantsOf(plan, resources));
  }

  /** A student's stack. */
  async student(plan: StackPlan): Promise<Environment> {
    const resources = await recorded(plan);
    const labels = { "mlt-environment": String(plan.config.environment) };
    for (const { type, name } of resources) {
      if (type !== "gcp:storage/bucket:Bucket") continue;
      const bucket = {
        name: `${name}-0123abc`,
        location: "US-CENTRAL1",
        labels,
        iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
      };
      await this.#ok("POST", `storage/v1/b?project=${this.#project}`, bucket);
    }
    const template = only(resources, "gcp:compute/instanceTemplate:InstanceTemplate");
    await this.#done(`compute/v1/projects/${this.#project}/global/instanceTemplates`, {
      name: `${template.name}-0123abc`,
      properties: propertiesOf(template.inputs, this.#project),
    });
    for (const { type, inputs } of resources) {
      if (type !== "gcp:compute/instance:Instance") continue;
      const { zone, name, machineType, serviceAccount, metadata } = inputs as Record<string, Record<string, string>>;
      await this.#done(`compute/v1/projects/${this.#project}/zones/${zone}/instances`, {
        name,
        machineType: `zones/${zone}/machineTypes/${machineType}`,
        disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: IMAGE } }],
        networkInterfaces: [{ subnetwork: `projects/${this.#project}/regions/us-central1/subnetworks/${SUBNETWORK}` }],
        serviceAccounts: [serviceAccount],
        metadata: { items: itemsOf(metadata) },
      });
    }
    await this.#grant(grantsOf(plan, resources));
    const { bucket, content } = only(resources, "gcp:storage/bucketObject:BucketObject").inputs;
    const path = `upload/storage/v1/b/${bucket}/o?uploadType=media&name=environment.json`;
    await this.#ok("POST", path, String(content));
    return JSON.parse(String(content)) as Environment;
  }

  async #grant(grants: readonly Grant[]): Promise<void> {
    for (const on of new Set(grants.map((grant) => grant.on))) {
      const bindings = grants
        .filter((grant) => grant.on === on)
        .map(
          ({ role, member, condition }): Binding => ({
            role,
            members: [member],
            ...(condition === undefined ? {} : { condition: { title: "as recorded", expression: condition } }),
          }),
        );
      const policy = { version: 3, bindings };
      if (on === "project") await this.#ok("POST", `crm/v1/projects/${this.#project}:setIamPolicy`, { policy });
      else if (on.startsWith("projects/_/buckets/"))
        await this.#ok("PUT", `storage/v1/b/${on.split("/").at(-1)}/iam`, policy);
      else if (on.includes("/serviceAccounts/")) await this.#ok("POST", `iam/v1/${on}:setIamPolicy`, { policy });
      else if (on.includes("/iap_tunnel/")) await this.#ok("POST", `iap/v1/${on}:setIamPolicy`, { policy });
      else await this.#ok("POST", `compute/v1/${on}/setIamPolicy`, { policy });
    }
  }

  async #ok(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.#call(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer;
  }

  async #done(path: string, body: unknown): Promise<void> {
    const { body: operation } = await this.#ok("POST", path, body);
    const place = /^compute\/v1\/projects\/[^/]+\/(?:global|(?:zones|regions)\/[^/]+)/.exec(path)?.[0];
    const waited = await this.#ok("POST", `${place}/operations/${operation.name}/wait`);
    assert.equal(waited.body.error, undefined, JSON.stringify(waited.body.error));
  }
}

/** Without those on the shared bucket, which nobody fills here. */
function grantsOf(plan: StackPlan, resources: readonly Recorded[]): Grant[] {
  const rights: Rights = { places: [], grants: [], roles: new Map(), onProject: new Map() };
  add(rights, plan, resources);
  return rights.grants.filter(({ on }) => !/-base-course-/.test(on));
}

function only(resources: readonly Recorded[], type: string): Recorded {
  const found = resources.filter((each) => each.type === type);
  assert.equal(found.length, 1, type);
  return found[0] as Recorded;
}

function itemsOf(metadata: Record<string, string> = {}): { key: string; value: string }[] {
  return Object.entries(metadata).map(([key, value]) => ({ key, value }));
}

/** A template's properties in the words of Google's API. */
function propertiesOf(inputs: Record<string, unknown>, project: string): object {
  const { machineType, serviceAccount, scheduling, metadata, labels, disks } = inputs as {
    machineType: string;
    serviceAccount: { email: string; scopes: string[] };
    scheduling: { maxRunDuration: { seconds: number } };
    metadata: Record<string, string>;
    labels: Record<string, string>;
    disks: { diskSizeGb: number; diskType: string; labels: Record<string, string> }[];
  };
  const [disk] = disks;
  assert.ok(disk);
  const { diskSizeGb, diskType, labels: diskLabels } = disk;
  const initializeParams = { sourceImage: IMAGE, diskSizeGb: String(diskSizeGb), diskType, labels: diskLabels };
  return {
    machineType,
    disks: [{ boot: true, autoDelete: true, initializeParams }],
    networkInterfaces: [{ subnetwork: `projects/${project}/regions/us-central1/subnetworks/${SUBNETWORK}` }],
    serviceAccounts: [serviceAccount],
    scheduling: { ...scheduling, maxRunDuration: { seconds: String(scheduling.maxRunDuration.seconds) } },
    metadata: { items: itemsOf(metadata) },
    labels,
  };
}
