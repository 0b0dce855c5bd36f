/** One thing that makes a disk this node's and no other's, and that an image made of it must not carry on. */
export interface CleaningRule {
  name: string;
  /** What it is, in words for people. */
  what: string;
  /** Paths that go, with all that is in them. `*`: any name in that folder. `folder/**`: what it holds, not itself. */
  paths: readonly string[];
}

/** Each may be kept by its name. Accounts, passwords, authorized keys and settings stay: they are what the image is made for. */
export const CLEANING_RULES: readonly CleaningRule[] = [
  { name: "machine-id", what: "machine-id: each node makes its own", paths: ["var/lib/dbus/machine-id"] },
  { name: "ssh-host-keys", what: "ssh host keys: each node makes its own", paths: ["etc/ssh/ssh_host_*"] },
  {
    name: "random-seed",
    what: "random seed and credential secret",
    paths: [
      "var/lib/systemd/random-seed",
      "var/lib/systemd/credential.secret",
      "var/lib/urandom/random-seed",
    ],
  },
  {
    name: "cloud-init",
    what: "cloud-init's seeds and what it remembers of this node",
    paths: ["var/lib/cloud/**", "etc/netplan/50-cloud-init.yaml"],
  },
  {
    name: "leases",
    what: "DHCP leases and identifiers",
    paths: [
      "var/lib/dhcp/**",
      "var/lib/dhcpcd/**",
      "var/lib/NetworkManager/*.lease",
      "var/lib/NetworkManager/secret_key",
      "var/lib/NetworkManager/timestamps",
      "var/lib/NetworkManager/seen-bssids",
    ],
  },
  { name: "logs", what: "logs", paths: ["var/log/**"] },
  {
    name: "crashes",
    what: "crash reports and core dumps",
    paths: ["var/crash/**", "var/lib/systemd/coredump/**"],
  },
  {
    name: "history",
    what: "shell and editor histories",
    paths: ["root", "home/*"].flatMap((home) =>
      [".*_history", ".viminfo", ".lesshst", ".wget-hsts"].map((name) => `${home}/${name}`),
    ),
  },
  { name: "temporary", what: "temporary files", paths: ["tmp/**", "var/tmp/**"] },
  { name: "free-space", what: "deleted files: free space, journal, swap", paths: [] },
];

/** Our own marks of the board, which are nobody's to keep. */
export const OUR_MARKS: readonly string[] = ["var/lib/bramble"];
