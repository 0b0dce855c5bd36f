import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Admission, TFTP_LIMITS, type TftpLimits } from "./tftp-admission.ts";
import { Hush } from "./tftp-hush.ts";

const applicant = (address: string, at = 0) => ({ client: { address, port: 1 }, at });
type Someone = ReturnType<typeof applicant>;

function desk(limits: Partial<TftpLimits>) {
  const started: Someone[] = [];
  const admission = new Admission<Someone>({ ...TFTP_LIMITS, ...limits }, (one) => started.push(one));
  return { admission, started };
}

test("Admission starts as many as may, and the others in the order of their arrival", () => {
  const { admission, started } = desk({ transfers: 2 });
  const all = ["a", "b", "c", "d"].map((address) => applicant(address));
  for (const one of all) assert.ok(admission.enter(one));
  assert.deepEqual(started, all.slice(0, 2));
  for (const one of all) {
    admission.found();
    admission.leave(one);
  }
  assert.deepEqual(started, all);
  assert.ok(admission.idle);
});

test("Admission: one address with many requests does not hold up another", () => {
  const { admission, started } = desk({ perAddress: 2 });
  for (let i = 0; i < 4; i++) assert.ok(admission.enter(applicant("greedy")));
  assert.equal(admission.enter(applicant("greedy")), false);
  assert.ok(admission.enter(applicant("other")));
  assert.deepEqual(
    started.map(({ client }) => client.address),
    ["greedy", "greedy", "other"],
  );
});

test("Admission looks for few files at once: who has found its own makes room for the next search", () => {
  const { admission, started } = desk({ finds: 1 });
  admission.enter(applicant("a"));
  admission.enter(applicant("b"));
  assert.equal(started.length, 1);
  admission.found();
  assert.equal(started.length, 2);
});

test("Admission gives back those that have waited for too long", () => {
  const { admission } = desk({ transfers: 1, queueMs: 100 });
  admission.enter(applicant("a"));
  const late = applicant("b", 0);
  const fresh = applicant("c", 80);
  admission.enter(late);
  admission.enter(fresh);
  assert.deepEqual(admission.expired(100), []);
  assert.deepEqual(admission.expired(101), [late]);
  assert.deepEqual(admission.expired(101), []);
});

test("Admission keeps all its limits, and is idle in the end, whatever comes and goes", () => {
  const limits = { transfers: 5, perAddress: 2, finds: 3, queued: 6, queueMs: 50 };
  const step = fc.record({ what: fc.constantFrom("enter", "found", "leave", "expire"), who: fc.nat(4) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const finding: Someone[] = [];
      const sending: Someone[] = [];
      let waiting = 0;
      let now = 0;
      const admission = new Admission<Someone>({ ...TFTP_LIMITS, ...limits }, (one) => {
        finding.push(one);
        const busy = [...finding, ...sending];
        assert.ok(finding.length <= 3 && busy.length <= 5);
        assert.ok(busy.filter(({ client }) => client.address === one.client.address).length <= 2);
      });
      const found = () => {
        const one = finding.shift();
        if (!one) return;
        sending.push(one);
        const before = finding.length;
        admission.found();
        waiting -= finding.length - before;
      };
      const leave = () => {
        const one = sending.shift();
        if (!one) return;
        const before = finding.length;
        admission.leave(one);
        waiting -= finding.length - before;
      };
      for (const { what, who } of steps) {
        now += 10;
        const before = finding.length;
        if (what === "found") found();
        else if (what === "leave") leave();
        else if (what === "expire") waiting -= admission.expired(now).length;
        else if (admission.enter(applicant(String(who), now)) && finding.length === before) waiting += 1;
        assert.ok(waiting >= 0 && waiting <= 6);
      }
      while (finding.length + sending.length > 0) {
        found();
        leave();
      }
      assert.ok(admission.idle);
    }),
    { numRuns: 300 },
  );
});

test("Hush lets one thing a second through for each address, and remembers few addresses", () => {
  const hush = new Hush(2);
  assert.deepEqual(
    [hush.allows("a", 0), hush.allows("a", 999), hush.allows("b", 999), hush.allows("a", 1000)],
    [true, false, true, true],
  );
  assert.equal(hush.allows("c", 1001), true); // b is forgotten
  assert.equal(hush.allows("a", 1002), false);
  assert.equal(hush.allows("b", 1003), true);
});
