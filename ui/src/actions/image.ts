// What can be done with images and sets of boot files.
import type { FirmwareView, ImageView } from "../../../src/api/contract.ts";
import { action } from "./action.ts";

export const addImage = () =>
  action({
    verb: "addImage",
    title: "Add an image",
    words:
      "From a file on the server or a URL: .img, .img.xz, .img.zst, .zip. It is checked and stored once; every node boots its own copy.",
    long: true,
    fields: [
      { name: "source", label: "File or URL", required: true, example: "https://…/raspios.img.xz" },
      { name: "name", label: "Name", hint: "name:version; by default from the file's name" },
      { name: "sha256", label: "SHA-256 of the file", hint: "then anything else is refused" },
    ],
    done: ({ name, version }) => `Image ${name}:${version} is in`,
  });

export const removeImage = (image: ImageView) =>
  action({
    verb: "removeImage",
    title: "Remove",
    words: `${image.name}:${image.version} is removed, unless a node's disk stands on it.`,
    danger: true,
    fields: [],
    fixed: { image: `${image.name}:${image.version}` },
    done: ({ name }) => `${name} is removed`,
  });

export const addFirmware = () =>
  action({
    verb: "addFirmware",
    title: "Add boot files",
    words:
      "From a folder, an archive or a .deb on the server, or a URL; laid under a clone's own boot files.",
    fields: [
      { name: "source", label: "File, folder or URL", required: true },
      { name: "name", label: "Name", hint: "name:version" },
    ],
    done: ({ name, version }) => `${name}:${version} is in`,
  });

export const removeFirmware = (firmware: FirmwareView) =>
  action({
    verb: "removeFirmware",
    title: "Remove",
    danger: true,
    fields: [],
    fixed: { firmware: `${firmware.name}:${firmware.version}` },
    done: ({ name }) => `${name} is removed`,
  });
