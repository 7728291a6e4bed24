import { ApiError, unlessGone } from "../client.ts";
import { policyMember } from "../policy.ts";
import type { Context, Found, ResourceType } from "../resource.ts";
import { boolean, fromRest, lastSegment, link, type Shape, string, strings } from "../schema.ts";
import { type Props, text } from "../values.ts";

const accountShape: Shape = {
  accountId: string({ forceNew: true, computed: true, local: true, pattern: /^[a-z]([-a-z0-9]{4,28}[a-z0-9])$/ }),
  project: string({ forceNew: true, computed: true, local: true }),
  displayName: string(),
  description: string(),
  disabled: boolean({ default: false }),
  createIgnoreAlreadyExists: boolean({ local: true }),
};

function foundAccount(body: Props): Found {
  const email = text(body.email);
  return {
    id: text(body.name),
    inputs: { ...fromRest(accountShape, body), accountId: email.split("@")[0], project: body.projectId },
    outputs: {
      email,
      name: body.name,
      member: `serviceAccount:${email}`,
      uniqueId: body.uniqueId,
      project: body.projectId,
    },
  };
}

const account: ResourceType = {
  token: "gcp:serviceaccount/account:Account",
  shape: accountShape,
  autoName: { property: "accountId", maximum: 30 },
  computed: ["email", "name", "member", "uniqueId"],

  async create(context, inputs) {
    const { displayName, description } = inputs;
    const path = `projects/${context.place.project}/serviceAccounts`;
    const email = `${text(inputs.accountId)}@${context.place.project}.iam.gserviceaccount.com`;
    try {
      await context.client.post("iam", path, {
        accountId: inputs.accountId,
        serviceAccount: { displayName: displayName ?? "", description },
      });
    } catch (error) {
      const exists = error instanceof ApiError && error.code === 409;
      if (!exists || inputs.createIgnoreAlreadyExists !== true) throw error;
    }
    return foundAccount(await readable(context, `${path}/${email}`));
  },

  async read(context, id) {
    const body = await context.client.find("iam", id);
    return body && foundAccount(body);
  },

  async update(context, id, olds, news) {
    if ((olds.disabled ?? false) !== (news.disabled ?? false)) {
      await context.client.post("iam", `${id}:${news.disabled === true ? "disable" : "enable"}`);
    }
    const serviceAccount = { displayName: news.displayName ?? "", description: news.description ?? "" };
    await context.client.patch("iam", id, { serviceAccount, updateMask: "displayName,description" });
    return foundAccount(await context.client.get("iam", id));
  },

  async delete(context, id) {
    await unlessGone(context.client.delete("iam", id));
  },
};

/** Google may answer 404 or 403 for a moment after the account has been made; three good answers in a row end the wait. */
async function readable(context: Context, id: string): Promise<Props> {
  let body: Props | undefined;
  const deadline = Date.now() + context.timeoutMs;
  for (let good = 0; good < 3; good++) {
    body = await context.client.get("iam", id).catch((error: unknown) => {
      const notYet = error instanceof ApiError && (error.code === 404 || error.code === 403);
      if (!notYet || Date.now() > deadline) throw error;
      return undefined;
    });
    if (body === undefined) {
      good = -1;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  return body as Props;
}

const accountIamMember = policyMember({
  token: "gcp:serviceaccount/iAMMember:IAMMember",
  owner: {
    property: "serviceAccountId",
    shape: { serviceAccountId: string({ required: true, forceNew: true }) },
    prefix: (name) => name,
  },
  get: (context, name) =>
    context.client.post("iam", `${name}:getIamPolicy`, undefined, { "options.requestedPolicyVersion": "3" }),
  set: (context, name, policy) => context.client.post("iam", `${name}:setIamPolicy`, { policy }),
});

/** The parts of an instance's name, as both kinds of members take them. */
const instanceShape = (name: string): Shape => ({
  [name]: link("zones/{zone}/instances", { required: true, forceNew: true, local: true }),
  project: string({ forceNew: true, computed: true, local: true }),
  zone: string({ forceNew: true, computed: true, local: true }),
});

const instanceMember = policyMember({
  token: "gcp:compute/instanceIAMMember:InstanceIAMMember",
  owner: {
    property: "instanceName",
    shape: instanceShape("instanceName"),
    prefix: (name) => name,
    of: (inputs, { place }) =>
      `projects/${place.project}/zones/${place.zone}/instances/${lastSegment(inputs.instanceName)}`,
  },
  get: (context, name) => context.client.get("compute", `${name}/getIamPolicy`, { optionsRequestedPolicyVersion: "3" }),
  set: (context, name, policy) => context.client.post("compute", `${name}/setIamPolicy`, { policy }),
});

const subnetworkMember = policyMember({
  token: "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
  owner: {
    property: "subnetwork",
    shape: {
      subnetwork: link("regions/{region}/subnetworks", { required: true, forceNew: true, local: true }),
      project: string({ forceNew: true, computed: true, local: true }),
      region: string({ forceNew: true, computed: true, local: true }),
    },
    prefix: (name) => name,
    of: (inputs, { place }) =>
      `projects/${place.project}/regions/${place.region}/subnetworks/${lastSegment(inputs.subnetwork)}`,
  },
  get: (context, name) => context.client.get("compute", `${name}/getIamPolicy`, { optionsRequestedPolicyVersion: "3" }),
  set: (context, name, policy) => context.client.post("compute", `${name}/setIamPolicy`, { policy }),
});

const tunnelMember = policyMember({
  token: "gcp:iap/tunnelInstanceIAMMember:TunnelInstanceIAMMember",
  owner: {
    property: "instance",
    shape: instanceShape("instance"),
    prefix: (name) => name,
    of: (inputs, { place }) =>
      `projects/${place.project}/iap_tunnel/zones/${place.zone}/instances/${lastSegment(inputs.instance)}`,
  },
  get: (context, name) =>
    context.client.post("iap", `${name}:getIamPolicy`, { options: { requestedPolicyVersion: 3 } }),
  set: (context, name, policy) => context.client.post("iap", `${name}:setIamPolicy`, { policy }),
});

const roleShape: Shape = {
  roleId: string({ forceNew: true, computed: true, local: true, pattern: /^[a-zA-Z0-9_.]{3,64}$/ }),
  project: string({ forceNew: true, computed: true, local: true }),
  title: string({ required: true }),
  description: string(),
  permissions: strings({ rest: "includedPermissions", required: true, unordered: true }),
  stage: string({ default: "GA" }),
};

function foundRole(body: Props): Found {
  const name = text(body.name);
  const [, project, , roleId] = name.split("/");
  return {
    id: name,
    inputs: { ...fromRest(roleShape, body), roleId, project },
    outputs: { name, deleted: body.deleted === true, project },
  };
}

function roleBody(inputs: Props): Props {
  const { title, description, permissions, stage } = inputs;
  return { title, description: description ?? "", includedPermissions: permissions, stage: stage ?? "GA" };
}

const ROLE_FIELDS = { updateMask: "title,description,includedPermissions,stage" };

const customRole: ResourceType = {
  token: "gcp:projects/iAMCustomRole:IAMCustomRole",
  shape: roleShape,
  autoName: { property: "roleId", maximum: 255 },
  computed: ["name", "deleted"],

  async create(context, inputs) {
    const path = `projects/${context.place.project}/roles`;
    const id = `${path}/${text(inputs.roleId)}`;
    const there = await context.client.find("iam", id);
    if (there && there.deleted !== true) {
      throw new Error(`Custom project role ${id} already exists and must be imported`);
    }
    if (there) {
      // A role that was deleted a short while ago keeps its id: it is brought back and made what the program says.
      await context.client.post("iam", `${id}:undelete`);
      return foundRole(await context.client.patch("iam", id, roleBody(inputs), ROLE_FIELDS));
    }
    return foundRole(await context.client.post("iam", path, { roleId: inputs.roleId, role: roleBody(inputs) }));
  },

  async read(context, id) {
    const body = await context.client.find("iam", id);
    return body && body.deleted !== true ? foundRole(body) : undefined;
  },

  async update(context, id, _olds, news) {
    return foundRole(await context.client.patch("iam", id, roleBody(news), ROLE_FIELDS));
  },

  async delete(context, id) {
    await unlessGone(context.client.delete("iam", id));
  },
};

export const iamTypes: ResourceType[] = [
  account,
  accountIamMember,
  instanceMember,
  subnetworkMember,
  tunnelMember,
  customRole,
];
