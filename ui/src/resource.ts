// Lists and details that a page shows: kept between visits, asked for anew when the stream says that they changed.
import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { About } from "../../src/api/news-contract.ts";
import { type Args, call, type Problem, type Result, type Verb } from "./api.ts";
import { onChange } from "./live.ts";

export interface Resource<T> {
  data: Signal<T | undefined>;
  problem: Signal<Problem | undefined>;
  reload(): Promise<void>;
}

const kept = new Map<string, Resource<unknown>>();
/** Changes come in bursts; one answer serves them all. */
const SETTLE_MS = 300;

/** Forgets everything, as when somebody else signs in. */
export const forgetResources = (): void => kept.clear();

function resourceOf<V extends Verb>(verb: V, args: Args<V>): Resource<Result<V>> {
  const key = `${verb} ${JSON.stringify(args)}`;
  const found = kept.get(key);
  if (found) return found as Resource<Result<V>>;
  const data = signal<Result<V> | undefined>(undefined);
  const problem = signal<Problem | undefined>(undefined);
  let again = false;
  let running: Promise<void> | undefined;
  const load = async (): Promise<void> => {
    try {
      data.value = await call(verb, args);
      problem.value = undefined;
    } catch (error) {
      problem.value = error as Problem;
    }
  };
  const made: Resource<Result<V>> = {
    data,
    problem,
    reload() {
      again = running !== undefined;
      running ??= load().finally(() => {
        running = undefined;
        if (again) void made.reload();
      });
      return running;
    },
  };
  kept.set(key, made as Resource<unknown>);
  return made;
}

/** What a verb answers, live: `about` names what makes it stale; `id` only changes of that thing, or of that node's boots. */
export function useResource<V extends Verb>(
  verb: V,
  args: Args<V>,
  about: readonly About[] = [],
  id?: string,
): Resource<Result<V>> {
  const resource = resourceOf(verb, args);
  const watched = about.join();
  useEffect(() => {
    void resource.reload();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = onChange((changed) => {
      const any = changed.about === "all" || changed.about === "mine";
      if (!any && !watched.split(",").includes(changed.about)) return;
      const whose = changed.node ?? changed.id;
      if (id !== undefined && whose !== undefined && whose !== id) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void resource.reload();
      }, SETTLE_MS);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [resource, watched, id]);
  return resource;
}
