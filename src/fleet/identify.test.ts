import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { shared } from "../../test/tools.ts";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { type DhcpPacket, decode, encode } from "../wire/dhcp/packet.ts";
import { identify, isPiStage, type Sender } from "./identify.ts";

const sent = (mac: string, options: [number, Uint8Array][], xid = 7): DhcpPacket => ({
  ...BLANK,
  xid,
  chaddr: mac,
  options: new Map(options),
});
const PXE0: [number, Uint8Array][] = [
  [93, Uint8Array.of(0, 0)],
  [60, toLatin1("PXEClient:Arch:00000:UNDI:002001")],
];
const guid = (text: string): [number, Uint8Array] => [97, fromHex(text)];
const MAC = "dc:a6:32:01:02:03";

test("identify() knows every captured boot stage of a Raspberry Pi", (t) => {
  const path = shared(t, "fixtures/pi/dhcp/packets.json");
  if (!path) return;
  const { packets } = JSON.parse(readFileSync(path, "utf8")) as { packets: { id: string; hex: string }[] };
  const rows: [string, Partial<Sender>][] = [
    ["pi3b-rom-discover", { stage: "rom3", mac: "b8:27:eb:28:f6:6d" }],
    ["bootcode-discover", { stage: "bootcode", serial: "b22faaeb" }],
    ["pi4-discover-guid-RPi4", { stage: "eeprom2711", serial: "5b154510", revision: 0xa03111 }],
    ["pi4-discover-guid-4iPR", { stage: "eeprom2711", serial: "91cdf03d", revision: 0xd03114 }],
    ["pi4-discover-option97-0", { stage: "eeprom2711", serial: "6aee7243" }],
    ["pi5-discover", { stage: "eeprom2712", serial: "12345678", revision: 0xc04170 }],
  ];
  for (const [id, expected] of rows) {
    const sender = identify(decode(fromHex(packets.find((p) => p.id === id)?.hex ?? "")));
    for (const [key, value] of Object.entries(expected))
      assert.equal(sender[key as keyof Sender], value, `${id}: ${key}`);
    assert.ok(isPiStage(sender.stage));
    assert.equal("revision" in sender, "revision" in expected, id);
    assert.equal("serial" in sender, "serial" in expected, id);
  }
});

test("identify() takes the chip from the revision: the first Pi 5 images also said 4iPR", () => {
  const early = identify(sent(MAC, [...PXE0, guid(`0034695052${"7041c000"}32010203${"78563412"}`)]));
  assert.equal(early.stage, "eeprom2712");
  const sold = identify(sent(MAC, [...PXE0, guid(`0035695052${"00000000"}32010203${"78563412"}`)]));
  assert.equal(sold.stage, "eeprom2712");
});

test("identify() takes a FourCC of the owner's choice (DHCP_OPTION97) when MAC and revision fit", () => {
  const own = `0041424344${"1431d000"}32010203${"78563412"}`;
  assert.deepEqual(
    [identify(sent(MAC, [...PXE0, guid(own)]))].map((s) => [s.stage, s.serial]),
    [["eeprom2711", "12345678"]],
  );
  assert.equal(identify(sent("dc:a6:32:01:02:04", [...PXE0, guid(own)])).stage, "unknown");
});

test("identify() tells the stages after the firmware apart", () => {
  const rows: [string, [number, Uint8Array][], string][] = [
    [
      "EDK2",
      [
        [93, Uint8Array.of(0, 11)],
        [60, toLatin1("PXEClient:Arch:00011:UNDI:003000")],
      ],
      "uefi",
    ],
    [
      "EDK2 HTTP",
      [
        [93, Uint8Array.of(0, 19)],
        [60, toLatin1("HTTPClient:Arch:00019:UNDI:003000")],
      ],
      "uefi-http",
    ],
    [
      "iPXE by user class",
      [
        [93, Uint8Array.of(0, 11)],
        [77, toLatin1("iPXE")],
      ],
      "ipxe",
    ],
    ["iPXE by RFC 3004 user class", [[77, Uint8Array.of(4, ...toLatin1("iPXE"))]], "ipxe"],
    ["iPXE by option 175", [[175, Uint8Array.of(1)], ...PXE0], "ipxe"],
    [
      "U-Boot",
      [
        [93, Uint8Array.of(0, 22)],
        [60, toLatin1("U-Boot.armv8")],
      ],
      "uboot",
    ],
    ["U-Boot's EFI loader", [[60, toLatin1("PXEClient:Arch:0000b:UNDI:003000")]], "uefi"],
    [
      "dhclient",
      [
        [55, Uint8Array.of(1, 28, 2, 3)],
        [12, toLatin1("pi")],
      ],
      "linux",
    ],
    ["udhcpc", [[60, toLatin1("udhcp 1.35.0")]], "linux"],
    ["an x86 PC", [...PXE0, guid("00112233445566778899aabbccddeeff00")], "unknown"],
    ["a PC without GUID", PXE0, "unknown"],
    ["a GUID of zeros", [...PXE0, guid("00".repeat(17))], "unknown"],
    ["Windows", [[60, toLatin1("MSFT 5.0")]], "unknown"],
  ];
  for (const [who, options, stage] of rows) assert.equal(identify(sent(MAC, options)).stage, stage, who);
});

/** UDP payloads to port 67 in a classic pcap file of Ethernet frames. */
function toServer(pcap: Buffer): Uint8Array[] {
  const found: Uint8Array[] = [];
  const little = pcap.readUInt32LE(0) === 0xa1b2c3d4;
  for (let at = 24; at < pcap.length; ) {
    const [length, whole] = [at + 8, at + 12].map((n) =>
      little ? pcap.readUInt32LE(n) : pcap.readUInt32BE(n),
    ) as [number, number];
    const frame = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (length < whole) continue; // cut off by the capture
    const udp = 14 + ((frame[14] ?? 0) & 15) * 4;
    if (frame.readUInt16BE(12) === 0x0800 && frame[23] === 17 && frame.readUInt16BE(udp + 2) === 67)
      found.push(frame.subarray(udp + 8));
  }
  return found;
}

test("identify() knows U-Boot in a capture of the real program, its EFI loader as UEFI, and the initramfs after them", (t) => {
  const path = shared(t, "fixtures/pcap/uboot.pcap");
  if (!path) return;
  const seen = toServer(readFileSync(path))
    .map((bytes) => identify(decode(bytes)))
    .filter(({ mac }) => mac === "02:00:00:00:99:14");
  assert.deepEqual([...new Set(seen.map(({ stage }) => stage))], ["uboot", "uefi", "linux"]);
});

test("identify() reads the revision out of the GUID of a Pi's UEFI", () => {
  const options: [number, Uint8Array][] = [
    [93, Uint8Array.of(0, 11)],
    guid(`00${"1431d000"}${"00".repeat(6)}dca632010203`),
  ];
  assert.equal(identify(sent(MAC, options)).revision, 0xd03114);
  assert.equal(identify(sent("dc:a6:32:01:02:04", options)).revision, undefined);
});

test("identify() tells bootcode.bin from an old Pi 4 by its constant xid, or by the order of what it asks for", () => {
  const repeated = guid(`00${"78563412".repeat(4)}`);
  assert.equal(identify(sent(MAC, [...PXE0, repeated], 0x26f30339)).stage, "bootcode");
  assert.equal(identify(sent(MAC, [[55, Uint8Array.of(43, 60)], ...PXE0, repeated])).stage, "bootcode");
  assert.equal(identify(sent(MAC, [[55, Uint8Array.of(1, 3, 43)], ...PXE0, repeated])).stage, "eeprom2711");
});

test("identify() never throws, whatever the options hold", () => {
  const options = fc.array(
    fc.tuple(fc.constantFrom(55, 60, 77, 93, 97, 175), fc.uint8Array({ maxLength: 40 })),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(options, (list) => {
      const sender = identify(decode(encode(sent(MAC, list))));
      if (sender.serial !== undefined) assert.match(sender.serial, /^[0-9a-f]{8}$/);
    }),
  );
});
