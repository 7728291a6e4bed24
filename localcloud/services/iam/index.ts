import type { Cloud } from "../../core/cloud.ts";
import type { Router } from "../../core/http.ts";
import { serviceAccountsService } from "./accounts.ts";
import { credentialsService } from "./credentials.ts";
import { customRolesService } from "./roles.ts";

/** IAM v1, and the part of IAM Credentials that impersonation needs. */
export function iamService(cloud: Cloud): Router[] {
  return [serviceAccountsService(cloud), customRolesService(cloud), credentialsService(cloud)];
}
