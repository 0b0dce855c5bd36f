import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shared } from "../../test/tools.ts";
import { hex } from "../base/text.ts";
import type { Model } from "../formats/boards.ts";
import { CONSTANT_XID, type DhcpForm, discover, request } from "./dhcp-packets.ts";

const board = (model: Model, mac: string, serial: string, revision: number, firmwareDate: string) => ({
  model,
  mac,
  serial,
  revision,
  firmwareDate,
});

test("every stage's DISCOVER is the captured packet, byte for byte", (t) => {
  const path = shared(t, "fixtures/pi/dhcp/packets.json");
  if (!path) return;
  const captured = new Map<string, { hex: string; udpPayloadLength: number }>(
    JSON.parse(readFileSync(path, "utf8")).packets.map((packet: { id: string }) => [packet.id, packet]),
  );
  const rows: [id: string, form: DhcpForm, xid: number, pi: ReturnType<typeof board>, fourCc?: number][] = [
    [
      "pi3b-rom-discover",
      "rom",
      CONSTANT_XID,
      board("3B", "b8:27:eb:28:f6:6d", "0028f66d", 0xa02082, "2018-01-01"),
    ],
    [
      "bootcode-discover",
      "bootcode",
      CONSTANT_XID,
      board("3B", "b8:27:eb:2f:aa:eb", "b22faaeb", 0xa02082, "2018-01-01"),
    ],
    [
      "pi4-discover-guid-RPi4",
      "eeprom",
      1795937487,
      board("4B", "dc:a6:32:2e:f8:ed", "5b154510", 0xa03111, "2021-04-29"),
    ],
    [
      "pi4-discover-guid-4iPR",
      "eeprom",
      2713259800,
      board("4B", "e4:5f:01:09:02:f7", "91cdf03d", 0xd03114, "2022-03-10"),
    ],
    [
      "pi4-discover-option97-0",
      "eeprom",
      0xd383a6ac,
      board("4B", "dc:a6:32:27:76:bc", "6aee7243", 0xc03111, "2019-11-18"),
    ],
    [
      "pi4-discover-option97-0",
      "eeprom",
      0xd383a6ac,
      board("4B", "dc:a6:32:27:76:bc", "6aee7243", 0xc03111, "2024-01-01"),
      0,
    ],
    [
      "pi5-discover",
      "eeprom",
      0x0a485863,
      board("5", "d8:3a:dd:e8:27:1e", "12345678", 0xc04170, "2024-05-01"),
    ],
  ];
  for (const [id, form, xid, pi, fourCc] of rows) {
    const bytes = discover(pi, form, xid, fourCc);
    assert.equal(hex(bytes), captured.get(id)?.hex, id);
    assert.equal(bytes.length, captured.get(id)?.udpPayloadLength, id);
  }
  const pi4 = board("4B", "e4:5f:01:09:02:f7", "91cdf03d", 0xd03114, "2022-03-10");
  assert.equal(
    hex(request(pi4, 2713259800, "10.42.0.111", "10.42.0.1")),
    captured.get("pi4-request-reconstructed")?.hex,
  );
});

test("the mark in option 97 follows the image's age", () => {
  const mark = (model: Model, date: string) =>
    hex(discover(board(model, "dc:a6:32:00:00:01", "01020304", 0xc03111, date), "eeprom", 1)).slice(
      -104,
      -68,
    );
  assert.match(mark("4B", "2020-03-04"), /0052506934........00000000/); // the MAC was left out at first
  assert.match(mark("4B", "2020-03-16"), /0052506934........32000001/);
  assert.match(mark("4B", "2022-03-10"), /0034695052/);
  assert.match(mark("5", "2023-10-18"), /0034695052/);
  assert.match(mark("5", "2023-10-30"), /0035695052/);
});
