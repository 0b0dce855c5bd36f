import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { keyFingerprint, type Server } from "../../api/client.ts";
import { BrambleError } from "../../base/errors.ts";

/** Where this person's logins lie: URL, token and the key that was trusted; for nobody else to read. */
const file = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config"), "bramble", "logins.json");

const readAll = (): Server[] =>
  existsSync(file()) ? (JSON.parse(readFileSync(file(), "utf8")) as Server[]) : [];

export function saveLogin(server: Server): string {
  const path = file();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const all = [server, ...readAll().filter(({ url }) => url !== server.url)];
  writeFileSync(`${path}.new`, `${JSON.stringify(all, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
  return path;
}

export function forgetLogin(url: string): boolean {
  const all = readAll();
  const rest = all.filter((one) => one.url !== serverUrl(url));
  if (rest.length === all.length) return false;
  writeFileSync(file(), `${JSON.stringify(rest, undefined, 2)}\n`, { mode: 0o600 });
  return true;
}

/** `pi-server:8440` is an https URL. */
export function serverUrl(text: string): string {
  const wish = /^https?:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(wish)) {
    throw new BrambleError("BAD_INPUT", `${text} is no URL`, {
      hint: "such as https://bramble.example:8440",
    });
  }
  return new URL(wish).origin;
}

/** The server that --server or BRAMBLE_SERVER names, with the token that was given or saved. */
export function chosenServer(wish: { server?: string; token?: string }): Server | undefined {
  const text = wish.server ?? process.env["BRAMBLE_SERVER"];
  if (!text) return undefined;
  const url = serverUrl(text);
  const saved = readAll().find((one) => one.url === url);
  const token = wish.token ?? process.env["BRAMBLE_TOKEN"] ?? saved?.token;
  if (token) return { url, token, ...(saved?.fingerprint && { fingerprint: saved.fingerprint }) };
  throw new BrambleError("AUTH_NEEDED", `nobody is logged in at ${url}`, { hint: `bramble login ${url}` });
}

/** The key that a TLS server shows, and whether the system's authorities stand for it. */
export function shownKey(url: string): Promise<{ fingerprint: string; trusted: boolean }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect(
      {
        host,
        port: Number(port || 443),
        servername: /[a-z]/i.test(host) ? host : "",
        rejectUnauthorized: false,
      },
      () => {
        const fingerprint = keyFingerprint(socket);
        const trusted = socket.authorized;
        socket.destroy();
        if (fingerprint) resolve({ fingerprint, trusted });
        else reject(new BrambleError("CERTIFICATE_BAD", `${url} shows no certificate`));
      },
    );
    socket.once("error", (cause) =>
      reject(new BrambleError("SERVER_GONE", `${url} does not answer: ${cause.message}`, { cause })),
    );
  });
}
