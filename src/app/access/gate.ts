import type { Commands } from "../../api/contract.ts";
import { ROUTES } from "../../api/contract.ts";
import { pathNames, resourceOf } from "../../api/resource.ts";
import type { Context, DescribedRoute, Role } from "../../api/route.ts";
import { mustBeInScope } from "../../api/scope.ts";
import { BrambleError } from "../../base/errors.ts";
import type { Actor } from "../../fleet/actor.ts";
import type { Core } from "../core.ts";
import type { Audit } from "./audit.ts";
import { actionNamed } from "./bulk.ts";
import { changes, redacted } from "./redact.ts";
import { ownNode, ownOnly } from "./tenant.ts";
import { ROLES } from "./users.ts";

export type Verb = keyof Commands;
type Args = Record<string, unknown>;
export type Perform = (verb: Verb, args: Args, context: Context) => Promise<unknown>;
export interface Gate {
  perform: Perform;
  /** What `perform` would refuse for the caller's sake: FORBIDDEN, NODE_UNKNOWN. */
  mayCall(verb: Verb, args: Args, by: Actor): void;
}
type Call = (args: object, context: Context) => Promise<unknown>;

/** What a route asks of its caller; one that does not describe itself is for admins. */
const neededRole = (verb: Verb): Role => {
  const route = ROUTES[verb];
  return "role" in route ? route.role : "admin";
};

/** Throws FORBIDDEN where role or scopes do not reach so far. */
function mustReach(verb: Verb, by: Actor): void {
  const { method, path } = ROUTES[verb];
  const needed = neededRole(verb);
  const has = ROLES.indexOf(by.kind as Role);
  if (has < ROLES.indexOf(needed)) {
    throw new BrambleError("FORBIDDEN", `${by.name} is ${by.kind}: this needs ${needed}`, {
      hint: "an admin can change that: bramble user set NAME --role ROLE",
    });
  }
  mustBeInScope(by, path.split("/")[1] ?? "", method);
}

/**
 * The one way to the commands for whoever calls: looks at role, scopes and whose node it is, does it, leaves out what is not the
 * caller's, and writes into the audit log who changed what.
 */
export function gateOf(core: Pick<Core, "registry">, commands: Commands, audit: Audit): Gate {
  const tenantOf = (by: Actor) => (by.kind === "tenant" ? by.name : undefined);
  /** Arguments with a node of the caller's in them; throws where it has none such. */
  function own(verb: Verb, args: Args, by: Actor): Args {
    const tenant = tenantOf(by);
    return tenant === undefined ? args : ownNode(core.registry, ROUTES[verb], args, tenant);
  }
  async function call(verb: Verb, args: Args, context: Context): Promise<unknown> {
    const tenant = tenantOf(context.by);
    const value = await (commands[verb] as unknown as Call).call(commands, args, context);
    const { tenant: rule } = ROUTES[verb] as Partial<DescribedRoute>;
    return tenant !== undefined && rule === "filtered" ? ownOnly(core.registry, value, tenant) : value;
  }

  /** The thing as it is now, where there is a route that shows it. */
  async function look(verb: Verb, args: Args, context: Context): Promise<unknown> {
    const shows = resourceOf(ROUTES, ROUTES[verb].path);
    if (!shows) return undefined;
    const names = pathNames(ROUTES[shows].path);
    const only = Object.fromEntries(names.map((name) => [name, args[name]]));
    return (commands[shows] as unknown as Call).call(commands, only, context).catch(() => undefined); // not there, before or after
  }

  const perform: Perform = async (verb, args, context) => {
    const { method, path } = ROUTES[verb];
    const { by, requestId: request } = context;
    const told = () => {
      const target =
        pathNames(path).map((name) => String(args[name]))[0] ?? (args["name"] as string | undefined);
      return { by, action: verb, target, args: redacted(args), request };
    };
    try {
      mustReach(verb, by);
      const mine = own(verb, args, by);
      if (method === "GET") return await call(verb, mine, context);
      const before = await look(verb, mine, context);
      const value = await call(verb, mine, context);
      const after = method === "DELETE" ? undefined : await look(verb, mine, context);
      await audit.record({ ...told(), ...changes(before, after), result: "ok" });
      return value;
    } catch (error) {
      const result = (error as Partial<BrambleError>).code ?? "INTERNAL";
      if (method !== "GET" || result === "FORBIDDEN") await audit.record({ ...told(), result });
      throw error;
    }
  };

  return {
    perform,
    mayCall(verb, args, by) {
      mustReach(verb, by);
      own(verb, args, by);
      // one verb for many nodes is refused as a whole, not node by node
      if (verb === "nodesAction") mustReach(actionNamed(String(args["action"])), by);
    },
  };
}
