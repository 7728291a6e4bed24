/**
 * The Google services that can be enabled here, with what enabling one enables too: from general knowledge, checked
 * against nothing. Whether a service is modelled is another matter: its calls say so.
 */
export interface ServiceEntry {
  title: string;
  /** On in a new project. */
  initial?: true;
  needs?: readonly string[];
}

export const SERVICES: Readonly<Record<string, ServiceEntry>> = {
  "aiplatform.googleapis.com": { title: "Vertex AI API" },
  "artifactregistry.googleapis.com": { title: "Artifact Registry API" },
  "batch.googleapis.com": { title: "Batch API", needs: ["compute.googleapis.com", "logging.googleapis.com"] },
  "bigquery.googleapis.com": { title: "BigQuery API" },
  "billingbudgets.googleapis.com": { title: "Cloud Billing Budget API" },
  "cloudasset.googleapis.com": { title: "Cloud Asset API" },
  "cloudbilling.googleapis.com": { title: "Cloud Billing API" },
  "cloudbuild.googleapis.com": { title: "Cloud Build API" },
  "cloudkms.googleapis.com": { title: "Cloud Key Management Service (KMS) API" },
  "cloudquotas.googleapis.com": { title: "Cloud Quotas API" },
  "cloudresourcemanager.googleapis.com": { title: "Cloud Resource Manager API", initial: true },
  "cloudscheduler.googleapis.com": { title: "Cloud Scheduler API" },
  "compute.googleapis.com": { title: "Compute Engine API", needs: ["oslogin.googleapis.com"] },
  "container.googleapis.com": { title: "Kubernetes Engine API", needs: ["compute.googleapis.com"] },
  "dns.googleapis.com": { title: "Cloud DNS API" },
  "iam.googleapis.com": { title: "Identity and Access Management (IAM) API" },
  "iamcredentials.googleapis.com": { title: "IAM Service Account Credentials API" },
  "iap.googleapis.com": { title: "Cloud Identity-Aware Proxy API" },
  "logging.googleapis.com": { title: "Cloud Logging API", initial: true },
  "monitoring.googleapis.com": { title: "Cloud Monitoring API", initial: true },
  "networkmanagement.googleapis.com": { title: "Network Management API" },
  "notebooks.googleapis.com": { title: "Notebooks API" },
  "orgpolicy.googleapis.com": { title: "Organization Policy API" },
  "oslogin.googleapis.com": { title: "Cloud OS Login API" },
  "pubsub.googleapis.com": { title: "Cloud Pub/Sub API" },
  "run.googleapis.com": { title: "Cloud Run Admin API" },
  "secretmanager.googleapis.com": { title: "Secret Manager API" },
  "servicenetworking.googleapis.com": { title: "Service Networking API" },
  "serviceusage.googleapis.com": { title: "Service Usage API", initial: true },
  "storage-api.googleapis.com": { title: "Google Cloud Storage JSON API", initial: true },
  "storage-component.googleapis.com": { title: "Cloud Storage", initial: true },
  "storage.googleapis.com": { title: "Cloud Storage API", initial: true },
  "sts.googleapis.com": { title: "Security Token Service API" },
};
