// How tests read settings: a project, and what else is set.
import { type Config, ConfigError, parseConfig } from "../../components/config.ts";

export const PROJECT = { "gcp:project": "my-project" };
export const json = (value: unknown): string => JSON.stringify(value);

export function read(settings: Record<string, string> = {}, stack = "dev"): Config {
  return parseConfig({ ...PROJECT, ...settings }, stack);
}

export function problems(settings: Record<string, string>, stack = "dev"): string[] {
  try {
    parseConfig(settings, stack);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
