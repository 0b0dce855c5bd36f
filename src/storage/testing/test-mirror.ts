import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createCleartextMessage, generateKey, sign } from "openpgp";
import { pack } from "tar-stream";
import { run } from "../../../test/tools.ts";

export interface TestPackage {
  name: string;
  version: string;
  depends?: string;
  provides?: string;
  /** Content of the package, by path. */
  files: Record<string, string | Uint8Array>;
}

export interface TestMirror {
  url: string;
  /** The armoured key that signs it. */
  keys: string;
  /** Files by path under the mirror; tests change them at will. */
  files: Map<string, Uint8Array>;
  /** Paths asked for, in order. */
  asked: string[];
  publish(packages: TestPackage[], release?: Record<string, string>): Promise<void>;
  close(): void;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** The tests run the xz program anyway (needs xz-utils). */
const xz = (bytes: Uint8Array): Buffer =>
  Buffer.from(run("xz", ["-c"], { input: bytes, encoding: "latin1" } as never), "latin1");

/** A Debian mirror on loopback with a suite "trixie" for arm64, signed by a key of its own. */
export async function testMirror(): Promise<TestMirror> {
  const { privateKey, publicKey } = await generateKey({
    type: "ecc",
    userIDs: [{ name: "test" }],
    format: "object",
  });
  const files = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? "").replace(/^\/debian\//, "");
    asked.push(path);
    const file = files.get(path);
    if (file) response.end(file);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const publish = async (packages: TestPackage[], release: Record<string, string> = {}) => {
    const stanzas: string[] = [];
    for (const one of packages) {
      const bytes = await deb(one);
      const path = `pool/${one.name}_${one.version.replace(/^\d+:/, "")}_arm64.deb`;
      files.set(path, bytes);
      const rows = { Package: one.name, Version: one.version, Depends: one.depends, Provides: one.provides };
      const lines = Object.entries({ ...rows, Filename: path, Size: bytes.length, SHA256: sha256(bytes) });
      stanzas.push(
        lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\n`])).join(""),
      );
    }
    const index = xz(Buffer.from(stanzas.join("\n")));
    files.set("dists/trixie/main/binary-arm64/Packages.xz", index);
    const fields = { Codename: "trixie", Suite: "stable", ...release };
    const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
    const text = `${head.join("")}SHA256:\n ${sha256(index)} ${index.length} main/binary-arm64/Packages.xz\n`;
    const message = await createCleartextMessage({ text });
    files.set("dists/trixie/InRelease", Buffer.from(await sign({ message, signingKeys: privateKey })));
  };
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/debian`, keys: publicKey.armor(), files, asked, publish, close };
}

/** A binary package of these files. */
async function deb(one: TestPackage): Promise<Buffer> {
  const tar = pack();
  for (const [name, text] of Object.entries(one.files))
    tar.entry({ name: `./${name}`, mode: 0o755, mtime: new Date(0) }, Buffer.from(text));
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  const member = (name: string, body: Buffer) => {
    const head = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(head), body, Buffer.alloc(body.length % 2, "\n")]);
  };
  const members = [
    member("debian-binary", Buffer.from("2.0\n")),
    member("data.tar.xz", xz(Buffer.concat(parts))),
  ];
  return Buffer.concat([Buffer.from("!<arch>\n"), ...members]);
}

/** The least of an ELF program (64 bit) that asks for these libraries. */
export function elf(libraries: readonly string[], interpreter?: string): Buffer {
  const strings = Buffer.from(`\0${[...libraries, interpreter ?? ""].join("\0")}\0`);
  const base = 64 + 3 * 56;
  const dynamic = base + strings.length;
  const whole = Buffer.alloc(dynamic + (libraries.length + 2) * 16);
  whole.write("\x7fELF\x02\x01\x01", "latin1");
  whole.writeBigUInt64LE(64n, 32);
  whole.writeUInt16LE(56, 54);
  whole.writeUInt16LE(3, 56);
  strings.copy(whole, base);
  const segment = (n: number, type: number, offset: number, size: number) => {
    whole.writeUInt32LE(type, 64 + n * 56);
    whole.writeBigUInt64LE(BigInt(offset), 64 + n * 56 + 8);
    whole.writeBigUInt64LE(BigInt(offset + 0x10000), 64 + n * 56 + 16);
    whole.writeBigUInt64LE(BigInt(size), 64 + n * 56 + 32);
  };
  const at = (text: string) => strings.indexOf(`\0${text}\0`, 0, "latin1") + 1;
  segment(0, 1, 0, whole.length);
  segment(1, 2, dynamic, (libraries.length + 2) * 16);
  segment(2, interpreter === undefined ? 0 : 3, base + at(interpreter ?? ""), 1);
  const tags: [number, number][] = [
    ...libraries.map((name): [number, number] => [1, at(name)]),
    [5, base + 0x10000],
  ];
  for (const [i, [tag, value]] of tags.entries()) {
    whole.writeBigUInt64LE(BigInt(tag), dynamic + i * 16);
    whole.writeBigUInt64LE(BigInt(value), dynamic + i * 16 + 8);
  }
  return whole;
}
