/**
 * Thrown by what must wait, before it has changed anything: something has to come from the disk first. Whoever catches it waits for `ready` and
 * calls again.
 */
export class Cold {
  readonly ready: Promise<unknown>;
  constructor(ready: Promise<unknown>) {
    this.ready = ready;
  }
}
