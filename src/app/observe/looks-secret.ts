// What looks like a secret, whoever wrote it.

/** Looks like a secret, whoever wrote it: group 1 is kept, the rest goes. */
const LOOKS: readonly RegExp[] = [
  /(bramble\.token=)\S+/g,
  /(\b(?:password|passwd|passphrase|secret|token|api[_-]?key|community)["']?\s*[=:]\s*["']?)(?!true|false|null)[^\s"',;&{[]{3,}/gi,
  /(\bauthorization["']?\s*:\s*["']?)(?:\w+ )?\S+/gi,
  /(\bbearer )[\w.~+/=-]{8,}/gi,
  /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi,
  /(\bwhsec_)[\w+/=]+/g,
  /()\$(?:1|2[aby]|5|6|7|y|gy|argon2\w*|scrypt)\$[^\s"':]+/g,
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*/g,
];

/** The text with `[secret]` in place of what looks like one; `gone` hears of each. */
export function blanked(text: string, gone: () => void = () => {}): string {
  let out = text;
  for (const look of LOOKS)
    out = out.replace(look, (whole, kept: string) => {
      if (whole.endsWith("[secret]")) return whole;
      gone();
      return `${kept}[secret]`;
    });
  return out;
}
