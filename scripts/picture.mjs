// Makes docs/overview.png, the README's picture: node scripts/run.mjs scripts/picture.mjs [FILE]. Needs Debian's chromium.
// A whole Bramble on loopback; virtual Pis boot from it over the real protocols while the page is photographed. Nothing in it is drawn by hand.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCommanded } from "../dist/src/app/cli/up.js";
import { runFleet } from "../dist/src/sim/run-fleet.js";
import { makeDemoImage } from "../dist/src/storage/demo-image.js";
import { onLoopback } from "../dist/test/loopback.js";
import { openBrowser } from "../dist/test/ui-browser.js";

const FILE = process.argv[2] ?? "docs/overview.png";
const MODELS = ["4B", "5", "3B+", "CM4"];
/** One way, so that boots last as long as on a slow network and are seen at work. */
const SLOW = { delayMs: 12 };

const data = mkdtempSync(join(tmpdir(), "bramble-picture-"));
const server = await startCommanded(onLoopback(data));
const { commands, core } = server;
const stop = new AbortController();
let started = 0;
let under = 0;

/** Virtual Pis, switched on at once; ends when all have ended. */
function boards(count, more = {}) {
  const firstSerial = 0x51b00001 + started;
  const firstAddress = `127.0.1.${1 + started}`;
  started += count;
  return runFleet({
    ...{ count, models: MODELS, server: "127.0.0.1", firstSerial, firstAddress, signal: stop.signal },
    dhcpPort: server.ports.dhcp[0].dhcp,
    tftpPort: server.ports.tftp[0],
    onProgress({ step }) {
      under += step === "on" ? 1 : step === "end" ? -1 : 0;
    },
    ...more,
  });
}

const seen = async (fits) => {
  const until = Date.now() + 60_000;
  while (!fits(await commands.nodes({}))) {
    if (Date.now() > until) throw new Error("the boards are not where they should be after 60 s");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
const booting = (nodes) => nodes.filter(({ boot }) => boot && boot.outcome === undefined);

try {
  const source = join(data, "demo-1.img");
  await makeDemoImage(source);
  await commands.addImage({ source, name: "demo:1" });
  await core.access.users.add("demo", "admin");
  await boards(3); // as far as their kernels: where virtual boards end
  const slow = boards(5, { impair: SLOW });
  await seen((nodes) => booting(nodes).length === 8);
  await commands.setEnrol({ rule: "ask" });
  const strangers = boards(2);
  await seen((nodes) => nodes.filter(({ state }) => state === "discovered").length === 2);
  const browser = await openBrowser();
  const page = await browser.newPage({ viewport: { width: 1280, height: 600 }, colorScheme: "light" });
  const { secret } = await core.access.links.login("demo", 60_000);
  await page.goto(`http://127.0.0.1:${server.ports.operator}/#login=${secret}`);
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
  await page.waitForTimeout(1_500);
  await page.screenshot({ path: FILE });
  console.log(`${FILE}: ${under} virtual boards under way`);
  const ended = Promise.allSettled([slow, strangers]);
  stop.abort();
  await browser.close();
  await ended;
} finally {
  await server.close();
  rmSync(data, { recursive: true, force: true });
}
