// The only globals that the pure rooms use and that the language itself does not define.
declare const TextDecoder: new (label?: string) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };

const reader8 = new TextDecoder("utf-8");
const writer8 = new TextEncoder();

export const utf8 = (bytes: Uint8Array): string => reader8.decode(bytes);
export const toUtf8 = (text: string): Uint8Array<ArrayBuffer> => writer8.encode(text);

/**
 * One character per byte, 0 to 255. Not TextDecoder("latin1"): by its standard that is windows-1252,
 * which makes 0x80 a euro sign; Node 24 follows the standard, Node 20 did not.
 */
export const latin1 = (bytes: Uint8Array): string => {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
};

/** The other way round: characters above 255 are cut to their low byte. */
export const toLatin1 = (text: string): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Two digits. */
export const hexByte = (byte: number): string => HEX[byte] ?? "";

export const hex = (bytes: Uint8Array): string => {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += hexByte(bytes[i] ?? 0);
  return text;
};

/** `text` must be an even number of hex digits: callers check user input first. */
export const fromHex = (text: string): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
};
