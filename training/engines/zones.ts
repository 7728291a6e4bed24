/** The order in which zones are tried: those that failed the run go last, the latest of them at the very end. */
export function zoneOrder(zones: readonly string[], setbacks: Readonly<Record<string, string>> = {}): string[] {
  const at = (zone: string) => Date.parse(setbacks[zone] ?? "") || 0;
  // Sorting keeps the order of what is equal.
  return [...zones].sort((a, b) => at(a) - at(b));
}
