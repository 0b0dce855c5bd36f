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

/** Runs `act` again and again until nothing is cold any more. Each time something more has come. */
export async function whenWarm<T>(act: () => T): Promise<Awaited<T>> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Cold)) throw error;
      await error.ready;
    }
  }
}
