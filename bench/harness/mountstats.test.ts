import assert from "node:assert/strict";
import { test } from "node:test";
import { requestsOf } from "./mountstats.ts";

test("requestsOf() tells the procedures that were asked for, with their bytes in both directions and the time to the answer", () => {
  // by Linux 6.12, some procedures left out
  const mountstats = `device 10.99.0.1:/nodes/1/2 mounted on / with fstype nfs statvers=1.1
	opts:	rw,vers=3,rsize=1048576,wsize=1048576
	age:	124
	caps:	caps=0x1,wtmult=4096,dtsize=1048576,bsize=0,namlen=255
	events:	78 3204 0 310 590 21 4410 1802 0 1240 0 0 0 161 57 25 95 0 0 700 0 0 0 0 0 0 0
	bytes:	60332911 1480233 0 0 54940401 21900288 13714 5372
	RPC iostats version: 1.1  p/v: 100003/3 (nfs)
	xprt:	tcp 0 0 1 0 3 5019 5019 0 14003 0 21 3301 1120
	per-op statistics
	        NULL: 1 1 0 44 24 2 3 5 0
	     GETATTR: 14 14 0 1848 1568 1 125 130 0
	        READ: 1277 1277 0 178780 55101234 410 12565 13001 0
	       MKNOD: 0 0 0 0 0 0 0 0 0
`;
  assert.deepEqual(requestsOf(mountstats), {
    NULL: { count: 1, bytes: 68, answerMs: 3 },
    GETATTR: { count: 14, bytes: 3416, answerMs: 125 },
    READ: { count: 1277, bytes: 55_280_014, answerMs: 12_565 },
  });
});
