// READDIR, READDIRPLUS (RFC 1813 3.3.16, 3.3.17). Cookies: 1 and 2 for the dots, the place in the image's directory + 3, own ones above 2^32: each stays
// what it is while names come and go, so `rm -r` may remove while it lists. Own names are told youngest first: one that comes while somebody lists lies
// behind him, so that a program that renames what it reads comes to an end.
import { STATUS } from "../../wire/nfs/status.ts";
import { type Credentials, FILE_KIND, type Ino, type Listed, type Soon } from "../../wire/nfs/tree.ts";
import type { Inode } from "./changes.ts";
import { Cold, whenWarm } from "./cold.ts";
import { AHEAD, FIRST_PLACE } from "./lower.ts";
import type { Ground } from "./ops-ground.ts";
import * as posix from "./posix.ts";
import { OWN_INO } from "./upper.ts";
import { OWN_COOKIE } from "./upper-entries.ts";

/** An own entry's cookie, turned round for the wire; and back. */
const turned = (cookie: number): number => Number.MAX_SAFE_INTEGER - cookie;

interface Answered {
  eof: boolean;
  attributes: Inode;
}

export function readdir(
  ground: Ground,
  who: Credentials,
  ino: Ino,
  cookie: number,
  fits: (entry: Listed) => boolean,
): Soon<Answered> {
  const directory = ground.inode(ino);
  if (!directory) return STATUS.STALE;
  if (directory.kind !== FILE_KIND.directory) return STATUS.NOTDIR;
  if (!posix.may(who, directory, posix.READ)) return STATUS.ACCES;
  const listing = new Listing(ground, directory, cookie, fits);
  try {
    return { eof: listing.run(), attributes: directory };
  } catch (error) {
    if (!(error instanceof Cold)) throw error;
    // What was said to fit stays said: it goes on from there.
    return error.ready
      .then(() => whenWarm(() => listing.run()))
      .then((eof) => ({ eof, attributes: directory }));
  }
}

/** One listing: run() may be called again after it threw Cold. */
class Listing {
  readonly #ground: Ground;
  readonly #directory: Inode;
  readonly #fits: (entry: Listed) => boolean;
  #cookie: number;

  constructor(ground: Ground, directory: Inode, cookie: number, fits: (entry: Listed) => boolean) {
    this.#ground = ground;
    this.#directory = directory;
    this.#cookie = cookie;
    this.#fits = fits;
  }

  /** Was the end reached? */
  run(): boolean {
    const { ino } = this.#directory;
    if (this.#cookie < 1 && !this.#say(".", ino, 1)) return false;
    if (this.#cookie < 2 && !this.#say("..", this.#ground.parent(this.#directory), 2)) return false;
    if (this.#cookie < OWN_COOKIE - 1 && ino < OWN_INO && !this.#image()) return false;
    return this.#own();
  }

  /** Entries of the image, at whose place may be another of the same name. */
  #image(): boolean {
    const { ino } = this.#directory;
    const { names, inos } = this.#ground.lower.directory(ino);
    for (let place = Math.max(0, this.#cookie + 1 - FIRST_PLACE); place < names.length; place++) {
      const name = names[place] as string;
      const own = this.#ground.upper.entries.get(ino)?.names.get(name);
      const number = own ? own.ino : (inos[place] as Ino);
      if (number && !this.#sayPlace(name, number, place)) return false;
    }
    return true;
  }

  #sayPlace(name: string, ino: Ino, place: number): boolean {
    try {
      return this.#say(name, ino, place + FIRST_PLACE);
    } catch (error) {
      if (!(error instanceof Cold)) throw error;
      const { inos } = this.#ground.lower.directory(this.#directory.ino);
      throw new Cold(this.#ground.lower.warm(inos.slice(place, place + AHEAD)));
    }
  }

  #own(): boolean {
    const entries = this.#ground.upper.entries.get(this.#directory.ino);
    if (!entries) return true;
    const told = turned(Math.max(this.#cookie, OWN_COOKIE - 1));
    for (let found = entries.before(told); found; found = entries.before(found.entry.cookie, found.next)) {
      const { name, ino, cookie } = found.entry;
      if (!this.#say(name, ino, turned(cookie))) return false;
    }
    return true;
  }

  #say(name: string, ino: Ino, cookie: number): boolean {
    const attributes = this.#ground.inode(ino);
    // A name of a damaged image that leads nowhere is not there.
    if (attributes && !this.#fits({ ino, name, cookie, attributes })) return false;
    this.#cookie = cookie;
    return true;
  }
}
