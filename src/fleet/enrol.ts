import { BrambleError } from "../base/errors.ts";

/** Who may boot without being asked: `auto` all, `ask` none, else patterns such as `model=4B,serial=10*` one of which must fit whole. */
export interface EnrolRule {
  text: string;
  patterns: { model?: string; serial?: string; mac?: string }[];
}

export interface Claim {
  model?: string;
  serial?: string;
  mac?: string;
}

const FIELDS = ["model", "serial", "mac"] as const;

/** `auto`, `ask`, or patterns between blanks or semicolons; `*` and `?` stand for any text and any character. */
export function parseEnrolRule(text: string): EnrolRule {
  if (text === "ask") return { text, patterns: [] };
  if (text === "auto") return { text, patterns: [{}] };
  const patterns = text
    .split(/[;\s]+/)
    .filter((part) => part !== "")
    .map((part) => {
      const pattern: EnrolRule["patterns"][number] = {};
      for (const pair of part.split(",")) {
        const [field, value] = pair.split("=");
        const name = FIELDS.find((f) => f === field);
        if (!name || !value) {
          throw new BrambleError("BAD_INPUT", `${pair} is no enrolment pattern`, {
            hint: "write auto, ask, or patterns such as model=4B,serial=10* or mac=dc:a6:32:*",
          });
        }
        pattern[name] = value;
      }
      return pattern;
    });
  if (patterns.length === 0)
    throw new BrambleError("BAD_INPUT", "an empty enrolment rule", { hint: "write ask" });
  return { text, patterns };
}

/** May a board that makes this claim be enrolled without a question? */
export const enrols = (rule: EnrolRule, claim: Claim): boolean =>
  rule.patterns.some((pattern) =>
    FIELDS.every((field) => {
      const want = pattern[field];
      return want === undefined || glob(want, claim[field] ?? "");
    }),
  );

function glob(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "i").test(text);
}
