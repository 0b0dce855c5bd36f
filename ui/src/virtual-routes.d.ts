declare module "virtual:routes" {
  import type { Commands } from "../../src/api/contract.ts";

  /** JSON Schema as far as forms need it. */
  export interface Schema {
    type?: string | string[];
    title?: string;
    description?: string;
    properties?: Record<string, Schema>;
    required?: string[];
    items?: Schema;
    anyOf?: Schema[];
    enum?: (string | number)[];
    const?: string | number | boolean | null;
    minimum?: number;
    maximum?: number;
    pattern?: string;
  }
  export interface RouteOfVerb {
    method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
    path: string;
    long?: boolean;
    summary?: string;
    role?: "viewer" | "tenant" | "operator" | "admin";
    args?: Schema;
  }
  export const ROUTES: Partial<Record<keyof Commands, RouteOfVerb>>;
}
declare module "*.css";
