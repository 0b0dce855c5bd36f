import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { encode, MESSAGE } from "../wire/dhcp/packet.ts";
import { serveDhcp } from "./dhcp.ts";
import { listenForServers } from "./dhcp-scan.ts";

const HERE = "127.0.0.1";
const ELSEWHERE = "127.0.0.2";

test("a server does not take a scan of its own machine for a board, and answers one of another machine", async (t) => {
  const asked: string[] = [];
  const server = await serveDhcp({
    interfaces: [{ address: HERE, subnet: "127.0.0.0/24", mode: "proxy" }],
    ...{ port: 0, proxyPort: 0 },
    leases: { get: () => undefined, byAddress: () => undefined, put: async () => {} },
    ask({ serial = "" }) {
      asked.push(serial);
      return { answer: true, reason: "enrolled" };
    },
    on() {},
  });
  t.after(() => server.close());
  const serverPort = server.ports[0]?.dhcp ?? 0;
  const scan = (address: string, ms: number) =>
    listenForServers({ interface: { address }, clientPort: 0, serverPort, to: HERE, ms });
  assert.deepEqual(await scan(HERE, 50), []);
  await scan(ELSEWHERE, 50);
  const board = createSocket("udp4").bind(0, HERE);
  t.after(() => board.close());
  await once(board, "listening");
  const guid = fromHex("0034695052d031143201020378563412".padEnd(34, "0"));
  board.send(
    encode({
      ...BLANK,
      xid: 7,
      chaddr: "dc:a6:32:01:02:03",
      options: new Map([
        [53, Uint8Array.of(MESSAGE.DISCOVER)],
        [93, Uint8Array.of(0, 0)],
        [97, guid],
        [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
      ]),
    }),
    serverPort,
    HERE,
  );
  await once(board, "message");
  assert.equal(asked.length, 2, `heard: ${asked}`);
  assert.equal(asked[0], "7f00007f");
});
