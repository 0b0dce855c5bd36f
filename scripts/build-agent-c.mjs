// node scripts/build-agent-c.mjs [FOLDER]: agent/c into FOLDER (default agent/bin) for arm64 and armhf, with SHA256SUMS.
// The same compilers give the same bytes: no build id, no paths, no dates.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = fileURLToPath(new URL("../agent/c/", import.meta.url));
const PROGRAMS = ["guard", "nbd-keep"];
const TARGETS = {
  arm64: { compiler: "aarch64-linux-gnu-gcc", flags: [] },
  // ARMv6: what Raspberry Pi OS builds its 32-bit system for
  armhf: {
    compiler: "arm-linux-gnueabihf-gcc",
    flags: ["-march=armv6", "-marm", "-mfloat-abi=soft"],
  },
};
const FLAGS = [
  ..."-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-function".split(" "),
  ..."-ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-strict-aliasing -fno-pic -fno-ident -fno-strict-aliasing".split(
    " ",
  ),
  ..."-fno-asynchronous-unwind-tables -fno-unwind-tables -static -no-pie -nostdlib -s".split(" "),
  ...["build-id=none", "-z,norelro", "-z,noseparate-code", "-z,noexecstack"].map((one) =>
    one.startsWith("-") ? `-Wl,${one}` : `-Wl,--${one}`,
  ),
];

const into = process.argv[2] ?? fileURLToPath(new URL("../agent/bin/", import.meta.url));
const sums = [];
for (const [arch, { compiler, flags }] of Object.entries(TARGETS)) {
  mkdirSync(join(into, arch), { recursive: true });
  const version = (...args) =>
    execFileSync(compiler, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split("\n")[0];
  sums.push(`# ${arch}: ${version("--version")}, ${version("-Wl,--version")}`);
  for (const program of PROGRAMS) {
    const path = join(into, arch, program);
    // in its folder: no path of this machine gets into the file
    execFileSync(compiler, [...FLAGS, ...flags, "-o", path, `${program}.c`], {
      cwd: SOURCES,
      stdio: "inherit",
      env: { ...process.env, LC_ALL: "C" },
    });
    sums.push(`${createHash("sha256").update(readFileSync(path)).digest("hex")}  ${arch}/${program}`);
  }
}
writeFileSync(join(into, "SHA256SUMS"), `${sums.join("\n")}\n`);
