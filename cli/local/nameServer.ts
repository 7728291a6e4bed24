import { lookup } from "node:dns/promises";

/**
 * Whether no name server answers this machine. Google's Pulumi plugin then tries for ten minutes to ask Google who its
 * token belongs to; an answer that there is no such host, it takes at once.
 */
export async function withoutNameServer(
  find: (host: string) => Promise<unknown> = lookup,
  limitMs = 3000,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, true);
  });
  const asked = find("openidconnect.googleapis.com").then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "EAI_AGAIN",
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
