import { type Commands, ROUTES } from "../../api/contract.ts";
import { BrambleError } from "../../base/errors.ts";

type Verb = keyof Commands;

/** A verb that changes one node and is done by itself. Throws BAD_INPUT for any other. */
export function actionNamed(action: string): Verb {
  const fits = (Object.keys(ROUTES) as Verb[]).filter((name) => {
    const route = ROUTES[name];
    return route.method !== "GET" && "args" in route && "node" in route.args.properties;
  });
  const verb = fits.find((name) => name === action);
  if (verb) return verb;
  throw new BrambleError("BAD_INPUT", `${action} is nothing that can be done to nodes`, {
    hint: `one of ${fits.sort().join(", ")}`,
  });
}
