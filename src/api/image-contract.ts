// Images and firmware sets.
import Type, { type Static } from "typebox";
import { type CommandsOf, route } from "./route.ts";
import { args, BYTES, NAME, NamedView, NO_ARGS, view } from "./schema.ts";

const text = Type.String();
const texts = Type.Array(text);
const ImageFacts = Type.Object({
  scheme: text,
  diskId: text,
  partitions: Type.Array(
    Type.Object({
      number: Type.Integer(),
      offset: BYTES,
      size: BYTES,
      filesystem: text,
      label: Type.Optional(text),
      partUuid: text,
    }),
  ),
  bootPartition: Type.Optional(Type.Integer()),
  rootPartition: Type.Optional(Type.Integer()),
  distribution: Type.Optional(Type.Object({ id: text, version: Type.Optional(text), prettyName: text })),
  kernels: Type.Array(
    Type.Object({ file: text, version: Type.Optional(text), modulesPath: Type.Optional(text) }),
  ),
  models: Type.Array(Type.Object({ model: text, boots: Type.Boolean(), missing: texts })),
  cmdline: Type.Optional(text),
  notes: texts,
});
export const ImageView = view("ImageView", {
  sha256: text,
  sourceSha256: text,
  name: text,
  version: text,
  aliases: texts,
  size: BYTES,
  allocated: BYTES,
  source: text,
  addedAt: Type.String({ description: "ISO 8601" }),
  facts: ImageFacts,
});
export type ImageView = Static<typeof ImageView>;

export const FirmwareView = view("FirmwareView", {
  name: text,
  version: text,
  source: text,
  addedAt: text,
  files: Type.Integer(),
  size: BYTES,
});
export type FirmwareView = Static<typeof FirmwareView>;

const SOURCE = Type.String({ minLength: 1, maxLength: 4096, description: "a path on the server, or a URL" });

export const IMAGE_ROUTES = {
  images: route({
    method: "GET",
    path: "/images",
    summary: "Images, newest first",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: Type.Array(ImageView),
  }),
  image: route({
    method: "GET",
    path: "/images/:image",
    summary: "One image: partitions, system, kernels, which models it boots",
    role: "viewer",
    tenant: "shared",
    args: args({ image: NAME }),
    result: ImageView,
  }),
  addImage: route({
    method: "POST",
    path: "/images",
    summary: "Import an image from a file of the server's or a URL",
    role: "operator",
    long: true,
    args: args({ source: SOURCE, name: Type.Optional(NAME), sha256: Type.Optional(NAME) }),
    result: ImageView,
  }),
  removeImage: route({
    method: "DELETE",
    path: "/images/:image",
    summary: "Remove an image that no clone stands on",
    role: "operator",
    args: args({ image: NAME }),
    result: NamedView,
  }),
  firmwares: route({
    method: "GET",
    path: "/firmware",
    summary: "Sets of boot files",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: Type.Array(FirmwareView),
  }),
  addFirmware: route({
    method: "POST",
    path: "/firmware",
    summary: "Add boot files from a folder, an archive or a .deb",
    role: "operator",
    args: args({ source: SOURCE, name: Type.Optional(NAME) }),
    result: FirmwareView,
  }),
  removeFirmware: route({
    method: "DELETE",
    path: "/firmware/:firmware",
    summary: "Remove boot files that nothing is set to",
    role: "operator",
    args: args({ firmware: NAME }),
    result: NamedView,
  }),
};
export type ImageCommands = CommandsOf<typeof IMAGE_ROUTES>;
