// A browser on the page: Debian's Chromium, signed in by a link; what it complains about, what axe finds, pictures of it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { which } from "./tools.ts";
import type { uiWorld } from "./ui-world.ts";

export type World = Awaited<ReturnType<typeof uiWorld>>;
export interface Look {
  theme?: "light" | "dark";
  width?: number;
}

/** Every page with its heading; `NODE` stands for a node's name. */
export const PAGES: readonly (readonly [path: string, heading: RegExp])[] = [
  ["/", /^Overview$/],
  ["/nodes", /^Nodes$/],
  ["/nodes/NODE", /^pi-/],
  ["/nodes/NODE/tree", /^pi-/],
  ["/nodes/NODE/disk", /^pi-/],
  ["/nodes/NODE/console", /^pi-/],
  ["/nodes/NODE/history", /^pi-/],
  ["/nodes/NODE/settings", /^pi-/],
  ["/racks", /^Racks$/],
  ["/images", /^Images$/],
  ["/disks", /^Disks$/],
  ["/profiles", /^Profiles$/],
  ["/profiles/default", /^default$/],
  ["/groups", /^Groups$/],
  ["/switches", /^Switches$/],
  ["/switches/sw-1", /^sw-1$/],
  ["/events", /^Events$/],
  ["/reliability", /^Reliability$/],
  ["/people", /^Users and tokens$/],
  ["/settings", /^Settings$/],
  ["/nothing-here", /^There is no such page$/],
];

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: which("chromium") ?? "chromium",
    // Root has no sandbox; small containers have a small /dev/shm.
    args: [...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "--disable-dev-shm-usage", "--disable-gpu"],
  });

/** A page that notes what the browser complains about. A refusal of the API that the page shows is no complaint. */
export async function openPage(browser: Browser, { theme = "light", width = 1280 }: Look = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 740 : 860 },
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.stack ?? error.message));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    if (/status of (401|403|404|409|400)\b/.test(message.text())) return;
    complaints.push(message.text());
  });
  page.setDefaultTimeout(15_000);
  return { page, complaints };
}

/** Signs in by a link that works once. */
export async function signIn(page: Page, world: World, user = "ada"): Promise<void> {
  const { secret } = await world.server.commands.makeLoginLink({ user });
  await page.goto(`${world.url}#login=${secret}`);
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

/** Goes to a page as a link does, and waits until it has what it shows. */
export async function visit(page: Page, path: string, heading: RegExp): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(path)}`);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
  await settled(page);
}

/** Nothing loads any more. */
export async function settled(page: Page): Promise<void> {
  const loading = page.getByText("Loading…");
  while ((await loading.count()) > 0) await loading.first().waitFor({ state: "hidden" });
  await page.evaluate(
    "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))",
  );
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds against WCAG 2.2 A and AA and its best practices, in the page or in what a selector names. */
export async function axe(page: Page, { within = "html", rules = [] as string[] } = {}): Promise<string[]> {
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(AXE);
  const options = {
    resultTypes: ["violations"],
    ...(rules.length > 0 && { runOnly: { type: "rule", values: rules } }),
  };
  const violations = (await page.evaluate(
    `axe.run(${JSON.stringify(within)}, ${JSON.stringify(options)}).then(({ violations }) => violations)`,
  )) as { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
  return violations.map(({ id, help, nodes }) => {
    const where = nodes.map((node) => `${node.html.slice(0, 160)} (${node.failureSummary})`);
    return `${id}: ${help}: ${where.slice(0, 3).join(" | ")}`;
  });
}

/** Keeps a picture where BRAMBLE_SCREENSHOTS names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env["BRAMBLE_SCREENSHOTS"];
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: false });
}

/** Nothing is wider than the window. */
export async function noOverflow(page: Page, where: string): Promise<void> {
  const [wide, most] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as [
    number,
    number,
  ];
  assert.ok(wide <= most, `${where}: ${wide} px wide in ${most}`);
}
