import { BucketObject } from "@pulumi/gcp/storage/bucketObject.js";
import * as pulumi from "@pulumi/pulumi";
import { type Environment, SCHEMA } from "../training/contract.ts";
import type { Kubeflow } from "./addKubeflow.ts";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import type { ImageFamily } from "./imageFamily.ts";
import { workstationName } from "./names.ts";
import type { StudentConfig } from "./studentConfig.ts";
import type { TrainingTemplate } from "./trainingTemplate.ts";
import type { Workstation } from "./workstation.ts";

export interface EnvironmentRecordArgs {
  config: Config;
  serviceAccount: pulumi.Input<string>;
  buckets: Buckets;
  template?: TrainingTemplate;
  workstation?: Workstation;
  imageFamily?: ImageFamily;
  kubeflow?: Kubeflow;
}

/** `gs://DATA/environment.json`: how every `mlt` command knows its environment, without Pulumi. */
export class EnvironmentRecord extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: EnvironmentRecordArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:EnvironmentRecord", name, {}, opts);
    const content = environmentOf(args).apply((environment) => `${JSON.stringify(environment, null, 2)}\n`);
    const object = new BucketObject(
      name,
      {
        bucket: args.buckets.data,
        name: "environment.json",
        content,
        contentType: "application/json",
        cacheControl: "no-store",
      },
      { parent: this },
    );
    this.url = pulumi.interpolate`gs://${object.bucket}/${object.name}`;
    this.registerOutputs({ url: this.url });
  }
}

/** The record's content, in the shape that the run contract gives it. */
function environmentOf({
  config,
  serviceAccount,
  buckets,
  template,
  workstation,
  imageFamily,
  kubeflow,
}: EnvironmentRecordArgs): pulumi.Output<Environment> {
  const { training } = config;
  const { names = {}, image: exact = "" } = template ?? {};
  const address = workstation?.externalIp ?? "";
  const more = [imageFamily?.settings, kubeflow?.record] as const;
  return pulumi
    .all([buckets.data, buckets.scratch, serviceAccount, pulumi.output(names), exact, address, ...more])
    .apply(([data, scratch, account, templates, image, externalIp, images, cluster]) => ({
      schema: SCHEMA,
      environment: config.environment,
      project: config.project,
      scope: config.scope,
      region: config.region,
      zones: training?.zones ?? [],
      buckets: { data, scratch },
      serviceAccount: account,
      training: training && {
        templates,
        machineType: training.machineType,
        spot: training.spot,
        maxHours: training.maxHours,
        maxRestarts: training.maxRestarts,
        allowedMachineTypes: training.allowedMachineTypes,
        image,
        checkpointSeconds: training.checkpointSeconds,
        fallbackToStandard: training.fallbackToStandard,
      },
      workstation: workstationOf(config, externalIp),
      ...(images ? { imageFamily: images } : {}),
      ...(cluster ? { kubeflow: cluster } : {}),
      ...(config.student ? { student: studentOf(config.student, account) } : {}),
      ...(config.courseDataUrl ? { course: { dataBucketUrl: config.courseDataUrl } } : {}),
      labels: config.labels,
    }));
}

function workstationOf({ environment, workstation }: Config, externalIp: string): Environment["workstation"] {
  if (!workstation) return undefined;
  const { zone, machineType, spot, bootDiskGb, dataDiskGb, idleMinutes, schedule } = workstation;
  return {
    name: workstationName(environment),
    zone,
    machineType,
    spot,
    bootDiskGb,
    ...(dataDiskGb === undefined ? {} : { dataDiskGb }),
    idleMinutes,
    ...(schedule ? { schedule } : {}),
    ...(externalIp ? { externalIp } : {}),
  };
}

/** Whose address it is stands in the bindings alone. */
function studentOf({ member: _member, ...limits }: StudentConfig, account: string): Environment["student"] {
  return { impersonate: account, ...limits };
}
