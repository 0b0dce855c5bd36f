import fs, { existsSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const fileOf = (clone: string) => `${clone}.fdatasyncs`;

/** In a server: counts its calls of fdatasync from now on; the function that it gives writes the number beside the clone. */
export function countFdatasyncs(clone: string): () => void {
  let count = 0;
  const real = fs.fdatasync;
  const counted = (...args: Parameters<typeof real>) => {
    count += 1;
    real(...args);
  };
  Object.assign(fs, { fdatasync: counted });
  syncBuiltinESMExports(); // what others have imported by name follows
  return () => writeFileSync(fileOf(clone), String(count));
}

/** In a case, once the server has ended: how often it called fdatasync before it was told to. */
export function fdatasyncsOf(clone: string): number | undefined {
  return existsSync(fileOf(clone)) ? Number(readFileSync(fileOf(clone), "latin1")) : undefined;
}
