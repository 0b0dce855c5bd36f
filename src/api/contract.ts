// What the CLI and the page may ask of Bramble, running or not: one table of routes, from which server and client are both made.
import { ACCESS_ROUTES, type AccessCommands } from "./access-contract.ts";
import { BOOT_ROUTES, type BootCommands } from "./boot-contract.ts";
import { CLONE_ROUTES, type CloneCommands } from "./clone-contract.ts";
import { EVENT_ROUTES, type EventCommands } from "./event-contract.ts";
import { IMAGE_ROUTES, type ImageCommands } from "./image-contract.ts";
import { LIFE_ROUTES, type LifeCommands } from "./life-contract.ts";
import { MODEL_ROUTES, type ModelCommands } from "./model-contract.ts";
import { NODE_ROUTES, type NodeCommands } from "./node-contract.ts";
import { OBSERVE_ROUTES, type ObserveCommands } from "./observe-contract.ts";
import { POWER_ROUTES, type PowerCommands } from "./power-contract.ts";
import { PROFILE_ROUTES, type ProfileCommands } from "./profile-contract.ts";
import { PROFILE_SETTINGS_ROUTES, type ProfileSettingsCommands } from "./profile-settings-contract.ts";
import type { CallsOf, DescribedRoute, RouteFacts } from "./route.ts";
import { SUPERVISE_ROUTES, type SuperviseCommands } from "./supervise-contract.ts";
import { SYSTEM_ROUTES, type SystemCommands } from "./system-contract.ts";
import { TASK_ROUTES, type TaskCommands } from "./task-contract.ts";
import { VOLUME_ROUTES, type VolumeCommands } from "./volume-contract.ts";

export type { AuditView, TokenView, UserView } from "./access-contract.ts";
export type { BootDetail, BootView } from "./boot-contract.ts";
export type {
  CloneCommands,
  CloneView,
  DiffView,
  ExportFormat,
  PromotedView,
  SnapshotView,
} from "./clone-contract.ts";
export type { DiskSettingsView, SettingsPatch } from "./disk-settings-contract.ts";
export type { EventView } from "./event-contract.ts";
export type { FirmwareView, ImageView } from "./image-contract.ts";
export type { NodeSettingsPatch, NodeView, TreeView } from "./node-contract.ts";
export type { ProfileView } from "./profile-settings-contract.ts";
export type { SessionView } from "./session-contract.ts";
export type { ReliabilityRow, SupervisionView } from "./supervise-contract.ts";
export type { StatusView } from "./system-contract.ts";
export type { ActionsView, TaskView } from "./task-contract.ts";
export type { VolumeCommands, VolumeView } from "./volume-contract.ts";

export interface Commands
  extends AccessCommands,
    BootCommands,
    CloneCommands,
    EventCommands,
    ImageCommands,
    ModelCommands,
    LifeCommands,
    NodeCommands,
    PowerCommands,
    ObserveCommands,
    ProfileCommands,
    ProfileSettingsCommands,
    SuperviseCommands,
    SystemCommands,
    TaskCommands,
    VolumeCommands {}

/** The commands as the CLI and tests call them. */
export type Calls = CallsOf<Commands>;

export const ROUTES: { [C in keyof Commands]: RouteFacts | DescribedRoute } = {
  ...ACCESS_ROUTES,
  ...BOOT_ROUTES,
  ...CLONE_ROUTES,
  ...EVENT_ROUTES,
  ...IMAGE_ROUTES,
  ...MODEL_ROUTES,
  ...LIFE_ROUTES,
  ...NODE_ROUTES,
  ...POWER_ROUTES,
  ...OBSERVE_ROUTES,
  ...PROFILE_ROUTES,
  ...PROFILE_SETTINGS_ROUTES,
  ...SUPERVISE_ROUTES,
  ...SYSTEM_ROUTES,
  ...TASK_ROUTES,
  ...VOLUME_ROUTES,
};
