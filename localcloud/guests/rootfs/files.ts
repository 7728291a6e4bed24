import { basename } from "node:path";

/** Debian's packages of the guest's root file system, beside the minimal base. */
export const PACKAGES = [
  "systemd-sysv",
  "systemd-resolved",
  "libnss-resolve",
  "dbus",
  "udev",
  "kmod",
  "iproute2",
  "google-guest-agent",
  "google-compute-engine-oslogin",
  "python3",
  "python3-venv",
  "curl",
  "ca-certificates",
  "procps",
  "sudo",
  "netbase",
  // What a workstation needs, as Google's images have it: sessions over SSH (OS Login's modules come with the package
  // above, `libpam-systemd` gives each session its own scope).
  "openssh-server",
  "libpam-systemd",
  // A bucket as a folder: gcsfuse mounts through `fusermount3`.
  "fuse3",
  // A data disk's ext4: no kernel lets a container mount a block device, this program reads it through FUSE.
  "fuse2fs",
] as const;

/** What Google's stock images lack; without them the image is like those (`stockLayer`). */
export const NOT_IN_STOCK_IMAGES = [
  "python3-venv",
  "python3.11-venv",
  "python3-pip-whl",
  "python3-setuptools-whl",
] as const;

export const SUITE = "bookworm";

/** Left out to keep the file system small: nobody reads them on a machine that trains. */
export const EXCLUDED_PATHS = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*"];

const MASKED = [
  "apt-daily-upgrade.timer",
  "apt-daily.timer",
  "console-getty.service",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "getty@tty1.service",
  "google-oslogin-cache.timer",
  "serial-getty@ttyS0.service",
  "systemd-timesyncd.service",
];

/** In a container the namespace's network is there from the start, and nobody inside may configure it. */
const NOT_IN_CONTAINERS = [
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-networkd-wait-online.service",
  "systemd-resolved.service",
];

/**
 * Without this the network stops first: the shutdown script could not reach the metadata server, and poweroff would
 * hang until its time limit.
 */
const ORDERED_AFTER_NETWORK = `[Unit]
Wants=network-online.target
After=network-online.target network.target systemd-networkd.service systemd-resolved.service
`;

const APPLY_UNIT = `[Unit]
Description=Settings of this boot
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service
Before=sysinit.target network-pre.target systemd-resolved.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/apply-boot-config

[Install]
WantedBy=sysinit.target
`;

const APPLY = `#!/bin/sh
# Unpacks the settings of this boot (host names, certificate authorities, pip, apt) into this machine's own files.
set -eu
config=/run/host/boot-config.tar
[ -e "$config" ] || config=/dev/nvme0n2
rm -f /usr/local/share/ca-certificates/boot-config-*.crt
tar -x -f "$config" -C / --no-same-owner
bundle=/etc/ssl/certs/ca-certificates.crt
sed '/^# boot-config$/,$d' "$bundle" >"$bundle.new"
echo '# boot-config' >>"$bundle.new"
cat /usr/local/share/ca-certificates/boot-config-*.crt >>"$bundle.new"
mv "$bundle.new" "$bundle"
while IFS= read -r line; do systemctl set-environment "$line"; done </run/boot-config/environment
`;

/** Client libraries that bring their own authorities (Python's requests, gRPC) are pointed at the machine's. */
const TRUST = ["CURL_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"].map(
  (name) => `${name}=/etc/ssl/certs/ca-certificates.crt`,
);

/** Files that are laid over the packages: path → content. */
export const FILES: Readonly<Record<string, string>> = {
  "etc/systemd/network/80-dhcp.network": "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\nLinkLocalAddressing=no\n",
  "etc/systemd/journald.conf.d/console.conf":
    "[Journal]\nStorage=volatile\nForwardToConsole=yes\nMaxLevelConsole=info\nForwardToSyslog=no\n",
  "etc/systemd/system.conf.d/trust.conf": `[Manager]\nDefaultEnvironment=${TRUST.join(" ")}\nShowStatus=no\n`,
  "etc/environment": `${TRUST.join("\n")}\n`,
  "etc/systemd/system/google-guest-agent.service.d/network.conf": ORDERED_AFTER_NETWORK,
  "etc/systemd/system/google-startup-scripts.service.d/network.conf": ORDERED_AFTER_NETWORK,
  "etc/systemd/system/google-shutdown-scripts.service.d/network.conf": ORDERED_AFTER_NETWORK,
  "etc/systemd/system/apply-boot-config.service": APPLY_UNIT,
  // As on Google's images: keys only, and nobody as root.
  "etc/ssh/sshd_config.d/50-google.conf": "PasswordAuthentication no\nPermitRootLogin no\n",
  // Google's own list has RSA too, which an emulated machine works on for seconds at its first boot.
  "etc/default/instance_configs.cfg": "[InstanceSetup]\nhost_key_types = ecdsa,ed25519\n",
  // As Google's images name a data disk; in a container the host makes these names.
  "etc/udev/rules.d/65-data-disks.rules":
    'SUBSYSTEM=="block", KERNEL=="vd*", ATTR{serial}=="?*", SYMLINK+="disk/by-id/google-$attr{serial}"\n',
  ...Object.fromEntries(
    NOT_IN_CONTAINERS.map((unit) => [
      `etc/systemd/system/${unit}.d/container.conf`,
      "[Unit]\nConditionVirtualization=!container\n",
    ]),
  ),
};

/**
 * `mount` asks this program first. In a container the kernel refuses every file system of a block device, so the disk
 * is read and written through FUSE there; elsewhere the kernel mounts it (`-i`: without asking this program again).
 */
const MOUNT_EXT4 = `#!/bin/sh
set -eu
device=$1 folder=$2
shift 2
options=
while getopts fnrsvwo:N:t: option; do
  case $option in
    o) options=$OPTARG ;;
    *) ;;
  esac
done
if ! systemd-detect-virt --quiet --container; then
  exec mount -i -t ext4 -o "\${options:-defaults}" "$device" "$folder"
fi
readonly=
case ",$options," in *,ro,*) readonly=,ro ;; esac
exec fuse2fs -o "allow_other,default_permissions$readonly" "$device" "$folder"
`;

/** Files that are run. */
export const EXECUTABLES: Readonly<Record<string, string>> = {
  "usr/local/lib/apply-boot-config": APPLY,
  "usr/sbin/mount.ext4": MOUNT_EXT4,
};

/** Symbolic links: path → target. */
export const LINKS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(MASKED.map((unit) => [`etc/systemd/system/${unit}`, "/dev/null"])),
  "etc/systemd/system/sysinit.target.wants/apply-boot-config.service": "../apply-boot-config.service",
  // Debian leaves the choice of a network service to the administrator.
  ...Object.fromEntries(
    [
      "multi-user.target.wants/systemd-networkd.service",
      "sockets.target.wants/systemd-networkd.socket",
      "network-online.target.wants/systemd-networkd-wait-online.service",
    ].map((link) => [`etc/systemd/system/${link}`, `/lib/systemd/system/${basename(link)}`]),
  ),
};

/**
 * What the build copies from the host or makes once for all machines: a machine takes its name from who boots it, and
 * Google's agent makes its host keys at its first boot.
 */
export const REMOVED = [
  "etc/hostname",
  ...["ecdsa", "ed25519", "rsa"].flatMap((type) => [
    `etc/ssh/ssh_host_${type}_key`,
    `etc/ssh/ssh_host_${type}_key.pub`,
  ]),
];
