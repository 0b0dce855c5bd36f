// Mode pages: caching 08h and control 0Ah (SPC-4 7.5.8; SBC-3 6.5.5). What may be changed is changed for all nexuses.
import { u16 } from "./cdb.ts";
import { SENSE } from "./sense.ts";

/** PC field of MODE SENSE (SPC-4 6.11.1). */
export const CURRENT = 0;
const CHANGEABLE = 1;
export const SAVED = 3;

const D_SENSE = 0x04; // byte 2 of the control page
const SWP = 0x08; // byte 4

interface Page {
  readonly code: number;
  /** With the page's two bytes of header. */
  readonly defaults: readonly number[];
  readonly changeable: readonly number[];
}

const PAGES: readonly Page[] = [
  // Write cache enabled: an answered write is in the host's page cache, SYNCHRONIZE CACHE and FUA make it durable.
  {
    code: 0x08,
    defaults: [0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    changeable: [0x08, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  },
  // TST 000b; unrestricted reordering is not claimed; TAS: tasks that another nexus aborts end with TASK ABORTED.
  {
    code: 0x0a,
    defaults: [0x0a, 0x0a, 0x00, 0x00, 0, 0x40, 0, 0, 0, 0, 0, 0],
    changeable: [0x0a, 0x0a, D_SENSE, 0x00, SWP, 0, 0, 0, 0, 0, 0, 0],
  },
];

export class Modes {
  readonly #current = new Map(PAGES.map((page) => [page.code, Uint8Array.from(page.defaults)]));

  /** Sense data as descriptors? */
  get descriptorSense(): boolean {
    return (this.#control(2) & D_SENSE) !== 0;
  }
  get softwareProtected(): boolean {
    return (this.#control(4) & SWP) !== 0;
  }

  /** The pages of PAGE CODE 3Fh (all) or of one code, one after another; undefined: no such page. */
  pages(code: number, subpage: number, control: number): number[] | undefined {
    if (subpage !== 0 && !(subpage === 0xff && code === 0x3f)) return undefined;
    const wanted = PAGES.filter((page) => code === 0x3f || page.code === code);
    if (wanted.length === 0) return undefined;
    return wanted.flatMap((page) => [...this.#page(page, control)]);
  }

  /** Takes the pages of a parameter list, all or none. `byte`: what is wrong where; `changed`: is anything another than before? */
  select(list: Uint8Array, from: number): { wrong: { code: number; byte?: number } } | { changed: boolean } {
    const next = new Map<number, Uint8Array<ArrayBuffer>>();
    let at = from;
    while (at < list.length) {
      const page = PAGES.find(({ code }) => code === ((list[at] as number) & 0x3f));
      if (!page || (list[at] as number) & 0x40)
        return { wrong: { code: SENSE.INVALID_FIELD_IN_DATA, byte: at } };
      if (at + page.defaults.length > list.length) return { wrong: { code: SENSE.PARAMETER_LIST_LENGTH } };
      const now = this.#current.get(page.code) as Uint8Array;
      const wanted = Uint8Array.from(now);
      for (let i = 1; i < wanted.length; i++) {
        const may = i === 1 ? 0 : (page.changeable[i] as number);
        const asked = list[at + i] as number;
        if ((asked & ~may) !== ((now[i] as number) & ~may))
          return { wrong: { code: SENSE.INVALID_FIELD_IN_DATA, byte: at + i } };
        wanted[i] = asked;
      }
      next.set(page.code, wanted);
      at += page.defaults.length;
    }
    let changed = false;
    for (const [code, page] of next) {
      const now = this.#current.get(code) as Uint8Array;
      if (page.some((byte, i) => byte !== now[i])) changed = true;
      this.#current.set(code, page);
    }
    return { changed };
  }

  #control(byte: number): number {
    return this.#current.get(0x0a)?.[byte] ?? 0;
  }

  #page(page: Page, control: number): Iterable<number> {
    if (control === CURRENT) return this.#current.get(page.code) as Uint8Array;
    return control === CHANGEABLE ? page.changeable : page.defaults;
  }
}

/** Where the pages of a MODE SELECT list begin: behind the header and its block descriptors (SPC-4 7.5.5). */
export const pagesFrom = (list: Uint8Array, ten: boolean): number =>
  ten ? 8 + u16(list, 6) : 4 + (list[3] as number);
