import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toUtf8 } from "../../base/text.ts";
import { parseSyslog } from "./message.ts";
import { parseNetconsole } from "./netconsole.ts";

const parse = (text: string) => parseSyslog(toUtf8(text));

test("parseSyslog() reads the examples of RFC 5424 6.5", () => {
  const one = parse(
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
  );
  assert.deepEqual(one, {
    format: "5424",
    facility: 4,
    severity: 2,
    time: "2003-10-11T22:14:15.003Z",
    host: "mymachine.example.com",
    app: "su",
    messageId: "ID47",
    text: "'su root' failed for lonvick on /dev/pts/8",
  });
  const two = parse(
    '<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [exampleSDID@32473 iut="3" eventSource="App\\"lic\\]ation" eventID="1011"][examplePriority@32473 class="high"] An application event',
  );
  assert.equal(two.process, "8710");
  assert.equal(two.text, "An application event");
  assert.equal(two.data?.get("exampleSDID@32473")?.get("eventSource"), 'App"lic]ation');
  assert.equal(two.data?.get("examplePriority@32473")?.get("class"), "high");
});

for (const [what, text, want] of [
  [
    "RFC 3164 5.4",
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
    { facility: 4, severity: 2, host: "mymachine", app: "su", text: "'su root' failed" },
  ],
  [
    "glibc, without a host",
    "<13>Nov  2 06:30:01 sshd[812]: Accepted publickey",
    { app: "sshd", process: "812", text: "Accepted publickey" },
  ],
  [
    "rsyslog with ISO time",
    "<30>2026-11-22T06:30:01.123+01:00 pi3 systemd[1]: Started x.",
    { host: "pi3", app: "systemd", process: "1", text: "Started x." },
  ],
  ["busybox without time", "<14>init: starting", { app: "init", text: "starting" }],
  ["no priority", "hello", { facility: 1, severity: 5, text: "hello" }],
  ["a priority that cannot be", "<999>x", { text: "<999>x", severity: 5 }],
  ["NUL and newline at the end", "<14>a: b\n\0", { text: "b" }],
  ["a host and no tag", "<14>Nov 22 06:30:01 pi3 just words", { host: "pi3", text: "just words" }],
] as const) {
  test(`parseSyslog() takes ${what}`, () => {
    const got = parse(text) as unknown as Record<string, unknown>;
    for (const [key, value] of Object.entries(want)) assert.equal(got[key], value, key);
  });
}

test("parseSyslog() makes a message of any bytes, of no more text than came", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom("", "<34>1 ", "<13>Nov 22 06:30:01 "),
      (bytes, head) => {
        const all = Uint8Array.from([...toUtf8(head), ...bytes]);
        const message = parseSyslog(all);
        assert.ok(message.severity >= 0 && message.severity <= 7);
        assert.ok(message.facility >= 0 && message.facility <= 23);
        assert.ok(message.text.length <= all.length);
      },
    ),
  );
});

test("parseSyslog() finds what RFC 5424 was given to it", () => {
  const word = fc.stringMatching(/^[!-~]{1,30}$/).filter((text) => text !== "-");
  const value = fc.string({ maxLength: 30 }).filter((text) => !/[\ud800-\udfff\0\r\n]/.test(text));
  const name = fc.stringMatching(/^[a-z0-9@]{1,20}$/);
  fc.assert(
    fc.property(word, word, name, name, value, value, (host, app, id, key, inside, text) => {
      const escaped = inside.replace(/["\\\]]/g, "\\$&");
      const got = parse(`<14>1 - ${host} ${app} - - [${id} ${key}="${escaped}"] ${text}`);
      assert.equal(got.host, host);
      assert.equal(got.app, app);
      assert.equal(got.data?.get(id)?.get(key), inside);
      assert.equal(got.text, text.replace(/^\ufeff/, ""));
    }),
  );
});

test("parseSyslog() takes a hostile header in no time", () => {
  const started = performance.now();
  for (const text of [
    `<14>1 ${"a ".repeat(30_000)}`,
    `<14>1 - - - - - ${'[a b="'.repeat(10_000)}`,
    `<14>1 - - - - - [a${' b="\\\\"'.repeat(9_000)}`,
  ])
    parse(text);
  assert.ok(performance.now() - started < 500);
});

test("parseNetconsole() reads plain lines, several in a packet, and knows the one that goes on", () => {
  assert.deepEqual(parseNetconsole(toUtf8("[    1.0] one\n[    1.1] two\n[    1.2] thr")), [
    { text: "[    1.0] one", open: false },
    { text: "[    1.1] two", open: false },
    { text: "[    1.2] thr", open: true },
  ]);
});

test("parseNetconsole() reads the extended format, its fragments and leaves its dictionary out", () => {
  const [one] = parseNetconsole(
    toUtf8("4,1280,5134521,-;usb 1-1: over-current\n SUBSYSTEM=usb\n DEVICE=c189:1\n"),
  );
  assert.deepEqual(one, {
    severity: 4,
    sequence: 1280,
    uptimeUs: 5134521,
    text: "usb 1-1: over-current",
    open: false,
  });
  assert.equal(parseNetconsole(toUtf8("6,416,1758426,-,ncfrag=0/33;the first chunk, "))[0]?.open, true);
  assert.equal(parseNetconsole(toUtf8("6,416,1758426,-,ncfrag=17/33;the 2nd chunk..."))[0]?.open, false);
});

test("parseNetconsole() makes lines of any bytes, and loses none of the text", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const { text } of parseNetconsole(bytes)) assert.equal(/[\r\n]/.test(text), false);
    }),
  );
  const line = fc.stringMatching(/^[ -:<-~]{0,20}$/);
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
      const text = lines.join("\n");
      assert.equal(
        parseNetconsole(toUtf8(text))
          .map((part) => part.text + (part.open ? "" : "\n"))
          .join(""),
        text,
      );
    }),
  );
});
