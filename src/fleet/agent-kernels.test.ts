import assert from "node:assert/strict";
import { test } from "node:test";
import { agentKernels } from "./agent-kernels.ts";

const choose = (...versions: string[]) => {
  const { arch, kernels } = agentKernels(versions.map((version) => ({ version })));
  return [arch, ...kernels.map(({ version }) => version)];
};

test("64-bit kernels where there are any, else those of ARMv7", () => {
  const [v6, v7, v7l] = ["6.12.47+rpt-rpi-v6", "6.12.47+rpt-rpi-v7", "6.12.47+rpt-rpi-v7l"];
  const [v8, pi5] = ["6.12.47+rpt-rpi-v8", "6.12.47+rpt-rpi-2712"];
  assert.deepEqual(choose(v8, pi5), ["arm64", v8, pi5]);
  assert.deepEqual(choose(v6, v7, v7l, v8), ["arm64", v8]);
  assert.deepEqual(choose(v6, v7, v7l), ["armhf", v7, v7l]);
  assert.deepEqual(choose("5.15.84-v7l+", "5.15.84-v7+"), ["armhf", "5.15.84-v7l+", "5.15.84-v7+"]);
  assert.deepEqual(choose("6.12.107+deb13-armmp"), ["armhf", "6.12.107+deb13-armmp"]);
  assert.deepEqual(choose("6.12.107+deb13-arm64"), ["arm64", "6.12.107+deb13-arm64"]);
  assert.deepEqual(choose("6.9.0-mine"), ["arm64", "6.9.0-mine"], "one that we do not know is of today");
});

test("a card of ARMv6 kernels alone has none for the agent", () => {
  assert.deepEqual(choose("6.12.47+rpt-rpi-v6"), ["arm64"]);
  assert.deepEqual(choose(), ["arm64"]);
});
