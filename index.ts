// The environment as Pulumi makes it: settings in, components, outputs. Pulumi calls the exported function.
import { surviveNewApis } from "./components/apiReadiness.ts";
import { BucketAccess } from "./components/bucketAccess.ts";
import { Buckets } from "./components/buckets.ts";
import { loadConfig } from "./components/config.ts";
import { EnvironmentRecord } from "./components/environmentRecord.ts";
import { Foundation } from "./components/foundation.ts";
import { readFoundation } from "./components/foundationReference.ts";
import { templateBase } from "./components/names.ts";
import { outputs } from "./components/outputs.ts";
import { courseDataOf, regionsOf, workstationsOf } from "./components/regions.ts";
import { startupScript } from "./components/startupScript.ts";
import { TrainingTemplate } from "./components/trainingTemplate.ts";

export default async function program(): Promise<Record<string, unknown>> {
  const config = loadConfig();
  const { project, environment, training, labels } = config;
  if (config.scope !== "student") surviveNewApis();
  const runs = config.runOnUp && (await import("./components/runOnUp.ts"));
  const stations = config.workstation && (await import("./components/addWorkstation.ts"));
  const families = config.imageFamily && (await import("./components/imageFamily.ts"));
  const clusters = config.kubeflow && (await import("./components/addKubeflow.ts"));
  const family = await families?.planImageFamily(config);
  const pipelines = await clusters?.planKubeflow(config);
  const requirements = stations?.readRequirementsFile(config.workstation);
  const run = config.runOnUp && (await runs?.planRunOnUp(config.runOnUp));

  const ground =
    config.scope === "student"
      ? await readFoundation(config)
      : new Foundation(environment, {
          project,
          environment,
          regions: regionsOf(config),
          environments: config.scope === "foundation" ? config.students : [environment],
          workstations: workstationsOf(config),
          students: config.scope === "foundation" ? { frozen: config.frozen } : undefined,
          courseData: courseDataOf(config),
        });
  if (config.scope === "foundation") return outputs(config, { ground });

  const serviceAccount = ground.serviceAccounts[environment] ?? "";
  const buckets = new Buckets(environment, { project, ...config.bucket, labels }, { dependsOn: ground.apis });
  const access = new BucketAccess(environment, { serviceAccount, data: buckets.data, scratch: buckets.scratch });
  const imageFamily = families?.addImageFamily(config, family, { ground, buckets });
  const template =
    training &&
    new TrainingTemplate(templateBase(environment, config.scope), {
      project,
      training,
      subnetworks: ground.subnetworks,
      serviceAccount,
      startupScript: startupScript("trainer.sh"),
      labels,
      after: ground.ready,
      imageFamily,
    });
  const workstation = stations?.addWorkstation(config, { ground, bucket: buckets.data, requirements });
  const person = config.student && (await import("./components/studentAccess.ts"));
  person?.addStudentAccess(config, { serviceAccount, buckets, workstation });
  const kubeflow = clusters?.addKubeflow(config, pipelines, { ground, buckets });
  const parts = { buckets, template, workstation, imageFamily, kubeflow };
  const record = new EnvironmentRecord(environment, { config, serviceAccount, ...parts });
  if (runs && run) new runs.RunOnUp(environment, { run, bucket: buckets.data }, { dependsOn: [record, access] });
  return outputs(config, { ground, ...parts });
}
