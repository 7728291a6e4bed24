import type { WorkstationStatus } from "../../workstation/status.ts";

// What a rehearsal does on the machine besides what a person does there.

/** In the place of 60 minutes; looked at every second in the place of every minute. */
export const IDLE_SECONDS = 8;

/** Until the next boot: systemd's own folder for that is emptied with the memory. */
export const HURRY = [
  "cd /run/systemd/system && mkdir -p mlt-workstation-tick.timer.d mlt-workstation-tick.service.d",
  "printf '[Timer]\\nOnActiveSec=\\nOnUnitActiveSec=\\nOnActiveSec=1\\nOnUnitActiveSec=1\\n' >mlt-workstation-tick.timer.d/hurry.conf",
  `printf '[Service]\\nEnvironment=ML_TRAINING_IDLE_SECONDS=${IDLE_SECONDS}\\n' >mlt-workstation-tick.service.d/hurry.conf`,
  "systemctl daemon-reload && systemctl restart mlt-workstation-tick.timer",
].join(" && ");

/** What a boot may change: its own name, addresses and keys of Google's agent, logs, state, caches. */
const EXCEPT = [
  "/etc/hosts",
  "/etc/ssl/certs*",
  "/etc/resolv*",
  "/etc/hostname",
  "*/.cache*",
  "/home/*/.*",
  "*/__pycache__",
  "/var/lib/ml-workstation/state.json",
  "/var/lib/ml-workstation/log.txt*",
  "/etc/apt/apt.conf.d/90-boot-config",
  "/etc/pip.conf",
  "/etc/boto*",
  "/etc/instance_id*",
  "/etc/default/instance_configs*",
  "/etc/ssh*",
  "/etc/oslogin*",
  "/etc/security/group.conf",
];

/** Every file that a boot could change and has no reason to, with size, time, mode and owner. */
export const MANIFEST = [
  "find /etc /opt /usr/local /home /var/lib/ml-workstation /var/lib/dpkg -xdev",
  `\\( ${EXCEPT.map((pattern) => `-path '${pattern}'`).join(" -o ")} \\) -prune`,
  "-o -type f -printf '%p %s %T@ %m %U\\n' | LC_ALL=C sort",
].join(" ");

export interface Tab {
  /** What its kernel has printed. */
  computed: string;
  /** Calls that it has made. */
  polls: number;
  close(): void;
}

/** A browser's tab on a notebook: a kernel that has computed something, its connection, the calls in the background. */
export async function openTab(port: number, token: string): Promise<Tab> {
  const api = (path: string) => `http://127.0.0.1:${port}/api/${path}`;
  const headers = { authorization: `token ${token}` };
  const made = await fetch(api("kernels"), { method: "POST", headers, body: "{}" });
  if (!made.ok) throw new Error(`JupyterLab starts no kernel: ${made.status} ${await made.text()}`);
  const { id } = (await made.json()) as { id: string };
  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/kernels/${id}/channels?token=${token}`);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("the kernel's connection did not come about")), {
      once: true,
    });
  });
  const computed = await compute(socket, "print(6 * 7)");
  const tab = { computed, polls: 0, close: () => end() };
  const timer = setInterval(() => {
    for (const path of ["kernels", "sessions", "terminals", "status"]) {
      fetch(api(path), { headers, signal: AbortSignal.timeout(5000) })
        .then((answer) => answer.arrayBuffer())
        .then(() => {
          tab.polls += 1;
        })
        // The machine goes while the tab is open.
        .catch(() => undefined);
    }
  }, 1000);
  socket.addEventListener("error", () => undefined);
  const end = () => {
    clearInterval(timer);
    socket.close();
  };
  return tab;
}

/** What the code prints, once the kernel has answered that it is done. */
function compute(socket: WebSocket, code: string): Promise<string> {
  const id = crypto.randomUUID();
  const header = { msg_id: id, msg_type: "execute_request", username: "", session: id, version: "5.3" };
  const content = { code, silent: false, store_history: true, allow_stdin: false };
  return new Promise((resolve, reject) => {
    let printed = "";
    const timer = setTimeout(() => reject(new Error("the kernel computes nothing")), 60_000);
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as {
        msg_type: string;
        parent_header: { msg_id?: string };
        content: { text?: string };
      };
      if (message.parent_header.msg_id !== id) return;
      if (message.msg_type === "stream") printed += message.content.text ?? "";
      if (message.msg_type === "status" && printed !== "") {
        clearTimeout(timer);
        resolve(printed.trim());
      }
    });
    socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, channel: "shell", content }));
  });
}

/** `mlt status --json`, as far as it is looked at. */
export interface Summary {
  workstation: {
    state: string;
    words: string;
    scheduledStop?: string;
    /** While it is up; before, what it has said last. */
    status?: WorkstationStatus;
    lastStatus?: WorkstationStatus;
  };
}

/** 0: nothing answers. */
export async function statusOf(url: string): Promise<number> {
  try {
    const answer = await fetch(url, { redirect: "manual" });
    await answer.body?.cancel();
    return answer.status;
  } catch {
    return 0;
  }
}
