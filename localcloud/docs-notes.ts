/** What `docs/localcloud.md` says of a group of endpoints. */
export interface Note {
  group: string;
  /** Over the route's pattern; the first note that fits takes the route. */
  routes: RegExp;
  callers: string;
  modelled: string;
  notModelled: string;
}

const collection = (plural: string): RegExp => new RegExp(`^/compute/.*/${plural}(/|$)`);

export const NOTES: readonly Note[] = [
  {
    group: "Storage: XML API",
    routes: /^\/storage-xml\//,
    callers: "gcsfuse",
    modelled:
      "reading an object, with ranges and generation (from guests only, at `https://storage.googleapis.com/BUCKET/OBJECT`)",
    notModelled: "everything else of the XML API",
  },
  {
    group: "Storage control",
    routes: /^\/google\.storage\.control\.v2\./,
    callers: "gcsfuse",
    modelled: "the flat layout that every bucket here has, by gRPC (from guests only)",
    notModelled: "hierarchical namespace, folders",
  },
  {
    group: "Storage: access to buckets",
    routes: /^\/storage\/v1\/b\/\{bucket\}\/iam/,
    callers: "provider, gcloud, storage clients",
    modelled: "policies with conditions, etags (412), public access prevention, testPermissions",
    notModelled: "policies of managed folders",
  },
  {
    group: "Storage: access control lists",
    routes: /^\/storage\/v1\/b\/.*(\/acl|defaultObjectAcl)(\/|$)/,
    callers: "old clients",
    modelled: "the refusal on a bucket with uniform access",
    notModelled: "lists on buckets without uniform access",
  },
  {
    group: "Storage: objects",
    routes: /^(\/download)?\/storage\/v1\/b\/\{bucket\}\/o(\/|$)/,
    callers: "storage clients, gcloud, provider, machines, mlt",
    modelled:
      "metadata, media with ranges and checksums, generations and preconditions, lists with prefix, delimiter, glob and versions, compose, copy, rewrite, move, soft delete and restore, one by one or in bulk",
    notModelled: "customer-supplied keys, retention, holds, object contexts",
  },
  {
    group: "Storage: uploads",
    routes: /^(\/resumable)?\/upload\//,
    callers: "storage clients, gcloud, provider, machines, mlt",
    modelled: "media, multipart and resumable uploads; sessions that outlast a restart; MD5 and CRC-32C checked",
    notModelled: "XML multipart uploads",
  },
  {
    group: "Storage: buckets",
    routes: /^\/storage\/v1\/(b|projects)(\/|$)/,
    callers: "provider, gcloud, storage clients, mlt",
    modelled:
      "settings, labels, versioning, lifecycle, uniform access, public access prevention, soft delete and restore",
    notModelled:
      "hierarchical namespace, retention policies, CORS, website, logging, Autoclass, requester pays, KMS keys, notifications",
  },
  {
    group: "Batches",
    routes: /^\/batch\//,
    callers: "gcloud, Python's storage client",
    modelled: "many calls in one multipart request, each answered for itself",
    notModelled: "batches over several APIs",
  },
  {
    group: "Compute: networks",
    routes: collection("networks"),
    callers: "provider, gcloud",
    modelled: "custom and automatic subnet mode, refusal of deletion while in use",
    notModelled: "peering, traffic between machines",
  },
  {
    group: "Compute: subnetworks",
    routes: collection("subnetworks"),
    callers: "provider, gcloud",
    modelled: "ranges and their overlaps, private Google access, flow log settings, policies",
    notModelled: "secondary use by other services, the flow logs themselves",
  },
  {
    group: "Compute: firewalls",
    routes: collection("firewalls"),
    callers: "provider, gcloud",
    modelled: "rules as records, checked; tunnels of Identity-Aware Proxy are let in by them",
    notModelled: "packet filtering between machines and of what goes out",
  },
  {
    group: "Compute: routers",
    routes: collection("routers"),
    callers: "provider, gcloud",
    modelled: "routers with Cloud NAT settings",
    notModelled: "BGP, status of translations",
  },
  {
    group: "Compute: addresses",
    routes: collection("addresses"),
    callers: "provider, gcloud",
    modelled: "internal and external addresses, in use or free",
    notModelled: "reachability from outside",
  },
  {
    group: "Compute: resource policies",
    routes: collection("resourcePolicies"),
    callers: "provider, gcloud",
    modelled: "instance schedules in their time zones, which really start and stop the machines that have them",
    notModelled: "snapshot schedules, placement policies",
  },
  {
    group: "Compute: images",
    routes: collection("(images|imageFamilyViews)"),
    callers: "provider, gcloud, mlt",
    modelled:
      "own images from disks of machines that are off, over other images too; families with deprecation, families as zones see them, Google's public images of the catalogue by name and family",
    notModelled:
      "import from a file, forceCreate from a running machine's disk, licences' effect, Google's other image projects (404: gcloud's list of all standard images warns of them)",
  },
  {
    group: "Compute: snapshots",
    routes: collection("snapshots"),
    callers: "mlt",
    modelled: "their list, which is empty: none can be made",
    notModelled: "snapshots themselves (501)",
  },
  {
    group: "Compute: disks",
    routes: collection("disks"),
    callers: "provider, gcloud",
    modelled: "disks from images or empty, size, labels, users, policies",
    notModelled: "snapshots, regional disks",
  },
  {
    group: "Compute: instance templates",
    routes: collection("instanceTemplates"),
    callers: "provider, gcloud, mlt",
    modelled: "templates, immutable, checked as instances are",
    notModelled: "policies of regional templates",
  },
  {
    group: "Compute: instances",
    routes: collection("instances"),
    callers: "provider, gcloud, mlt, machines that delete themselves",
    modelled:
      "real guests: boot, stop, start, reset, preemption, maxRunDuration with its action, metadata, serial console, guest attributes, disks, addresses and schedules attached and detached, template with overrides merged as JSON merge patch, labels and metadata with fingerprints",
    notModelled: "suspend and resume, update by PUT, GPUs' work",
  },
  {
    group: "Compute: what zones offer",
    routes: /^\/compute\/.*\/(zones|regions|machineTypes|diskTypes|acceleratorTypes)(\/\{offer\})?$/,
    callers: "provider, gcloud, mlt",
    modelled: "zones, regions and types of the catalogue",
    notModelled: "quotas' use",
  },
  {
    group: "Compute: operations",
    routes: collection("operations"),
    callers: "every client that changes something",
    modelled: "PENDING, RUNNING, DONE with errors, wait, lists; planned faults end or hang them",
    notModelled: "progress between 0 and 100",
  },
  {
    group: "Compute: the project",
    routes: /^\/compute\/[^/]+\/projects\/\{project\}(\/setCommonInstanceMetadata)?$/,
    callers: "provider, gcloud compute ssh",
    modelled: "common metadata with fingerprint",
    notModelled: "quotas, default service account",
  },
  {
    group: "IAM: service accounts",
    routes: /^\/iam\/v1\/projects\/\{project\}\/serviceAccounts/,
    callers: "provider, gcloud",
    modelled:
      "accounts by e-mail and unique id, enable, disable, policies; a deleted account's bindings name nobody, and a new one under the same e-mail has none of its rights",
    notModelled: "keys (none are ever given out), undelete, signing",
  },
  {
    group: "IAM: roles",
    routes: /^\/iam\/v1\/(projects\/\{project\}\/roles|roles|permissions)/,
    callers: "provider, gcloud",
    modelled: "custom roles with soft delete (7 days to undelete, id blocked for 37), predefined roles to read",
    notModelled: "roles of organizations, queryGrantableRoles, permissions outside the table (501 with the name)",
  },
  {
    group: "IAM Credentials and token information",
    routes: /^\/(iamcredentials|oauth2)\//,
    callers: "impersonating clients, gcloud",
    modelled: "generateAccessToken by right on the account; who a token is",
    notModelled: "identity tokens, signing, delegation chains, narrower scopes",
  },
  {
    group: "Resource Manager",
    routes: /^\/crm\//,
    callers: "provider, gcloud",
    modelled: "projects to read, their ancestry, their policies with conditions, testIamPermissions, as v1 and v3",
    notModelled:
      "creating and deleting projects, folders, organizations, tags, organization policies (those of a project are below)",
  },
  {
    group: "Service Usage",
    routes: /^\/su\//,
    callers: "provider, gcloud",
    modelled:
      "enable, disable with dependents, lists; calls to an API that is off answer SERVICE_DISABLED, also for a while after enabling if asked",
    notModelled: "quotas, services outside the table (501 with the name)",
  },
  {
    group: "Cloud Billing",
    routes: /^\/billing\//,
    callers: "mlt course check",
    modelled: "a project's billing info, to read and to change",
    notModelled: "accounts, budgets, prices; a project without billing is not refused anything",
  },
  {
    group: "Organization Policy",
    routes: /^\/orgpolicy\//,
    callers: "mlt course check",
    modelled: "policies of a project, and what is in force there",
    notModelled: "organizations and folders, conditions, dry runs; nothing is enforced by a policy",
  },
  {
    group: "Kubernetes Engine",
    routes: /^\/container\//,
    callers: "Pulumi's gcp provider, gcloud container, mlt clean",
    modelled:
      "clusters, node pools, their updates, resizing, operations; ranges, zones, machine types, GPUs, accounts, quotas and incompatible operations are refused as Google does; the firewall rules that Google makes; the Workload Identity pool that comes with a project's first cluster",
    notModelled:
      "the Kubernetes API, nodes as machines, instance groups, upgrades, Autopilot, fleets, ranges that GKE chooses",
  },
  {
    group: "Cloud KMS",
    routes: /^\/kms\//,
    callers: "mlt course check",
    modelled: "key rings, symmetric keys with one version, encrypt and decrypt, by REST",
    notModelled: "gRPC (which Pulumi's gcpkms:// speaks), rotation, other purposes, policies of keys and rings",
  },
  {
    group: "Logging",
    routes: /^\/logging\//,
    callers: "guest agents",
    modelled: "entries are checked for their permission and taken",
    notModelled: "reading them",
  },
  {
    group: "Identity-Aware Proxy",
    routes: /^\/iap\//,
    callers: "provider, gcloud",
    modelled:
      "policies of tunnels to single instances; the tunnels themselves (`ws://…/tunnel/v4/connect`, Google's relay protocol, with a token): decided by `iap.tunnelInstances.accessViaIAP` and the network's firewall rules, into the guest's own network address on any port",
    notModelled:
      "policies of zones and of the whole project's tunnels, destination groups, web backends; a broken tunnel is not taken up again",
  },
  {
    group: "OS Login",
    routes: /^\/oslogin\//,
    callers: "gcloud, mlt",
    modelled:
      "login profiles, keys with their end; guests' own Google programs ask the metadata server for accounts, keys and the right to log in (`osLogin`, `osAdminLogin`, `actAs` on the machine's account)",
    notModelled: "user ids above 59,999, POSIX groups, security keys, certificates, members outside the organization",
  },
  {
    group: "Packages",
    routes: /^\/packages\//,
    callers: "guests' apt",
    modelled:
      "Google's apt host: the suites `gcsfuse-…`, signed by this cloud's own key; the package is the real gcsfuse, built from Go modules when it is first asked for (503 until then)",
    notModelled: "every other suite",
  },
  {
    group: "Control (operator's door only)",
    routes: /^\/local\//,
    callers: "rehearsals, tests, mlt local",
    modelled:
      "faults, preemption, schedules by hand, settings (the clock among them), quotas, organizations, groups, accounts that do not exist, tokens, what is left, shutdown",
    notModelled: "nothing of this is Google's",
  },
];

/** What a user of a client has to know, each found by running it against the local cloud. */
export const CLIENT_NOTES: readonly [client: string, note: string][] = [
  [
    "Python `google-cloud-compute` (REST, `client_options.api_endpoint`)",
    "`.result()` asks compute.googleapis.com about the operation whatever the endpoint is: call the `…_unary` methods and wait with `ZoneOperationsClient(client_options=…)` and its like",
  ],
  [
    "`gcsfs`, and pandas on `gs://`",
    "set `GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false`, or it tries gRPC for a minute at each bucket; make buckets with `mkdir(name, acl=None, default_acl=None)`",
  ],
  ["Python `transfer_manager.upload_chunks_concurrently`", "needs XML multipart uploads: 501; `upload_many` works"],
  [
    "Google's own `gcloud compute start-iap-tunnel`",
    "add `--iap-tunnel-url-override=ws://HOST:PORT/tunnel/v4`; the `gcloud` that `mlt local start` puts on the path does it by itself",
  ],
];
