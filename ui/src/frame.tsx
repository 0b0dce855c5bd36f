import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "./actions/dialog.tsx";
import { keysOn, useKeys } from "./keys.ts";
import { liveState } from "./live.ts";
import { troubles } from "./pages/overview.tsx";
import { Button } from "./parts/basics.tsx";
import { Berry, Icon, type IconName } from "./parts/icons.tsx";
import { go, here, link } from "./place.ts";
import { me, signOut } from "./session.ts";
import { say } from "./tasks.ts";
import { type Theme, theme } from "./theme.ts";

const PAGES: readonly (readonly [path: string, text: string, icon: IconName, key: string])[] = [
  ["/", "Overview", "overview", "o"],
  ["/nodes", "Nodes", "nodes", "n"],
  ["/racks", "Racks", "racks", "r"],
  ["/images", "Images", "image", "i"],
  ["/disks", "Disks", "disk", "d"],
  ["/profiles", "Profiles", "profile", "p"],
  ["/groups", "Groups", "group", "u"],
  ["/switches", "Switches", "switch", "s"],
  ["/events", "Events", "events", "e"],
  ["/people", "Users and tokens", "people", "t"],
  ["/settings", "Settings", "settings", ","],
];

const railOpen = signal(false);
const helpOpen = signal(false);

export function Frame({ children }: { children: ComponentChildren }) {
  const main = useRef<HTMLElement>(null);
  const { path } = here.value;
  useKeys({
    ...Object.fromEntries(PAGES.map(([to, , , key]) => [`g ${key}`, () => go(to)])),
    "?": () => {
      helpOpen.value = true;
    },
  });
  const first = useRef(true);
  useEffect(() => {
    railOpen.value = false;
    if (first.current) first.current = false;
    else {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [path]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <div class="frame">
        <header class="topbar">
          <a class="brand" href={link("/")}>
            <Berry />
            Bramble
          </a>
          <Button
            kind="plain"
            label={railOpen.value ? "Close the menu" : "Open the menu"}
            onClick={() => {
              railOpen.value = !railOpen.value;
            }}
          >
            <Icon name={railOpen.value ? "close" : "menu"} />
          </Button>
        </header>
        {railOpen.value && (
          <button
            type="button"
            class="scrim"
            aria-label="Close the menu"
            onClick={() => {
              railOpen.value = false;
            }}
          />
        )}
        <Rail path={path} />
        <main ref={main} id="main" tabIndex={-1}>
          {liveState.value === "lost" && (
            <div class="banner" role="status">
              The connection to Bramble is lost. What you see may be old; it is tried again by itself.
            </div>
          )}
          {children}
        </main>
      </div>
      {helpOpen.value && <Help />}
    </>
  );
}

const Rail = ({ path }: { path: string }) => (
  <nav class={`rail ${railOpen.value ? "open" : ""}`} aria-label="Pages">
    <a class="brand" href={link("/")}>
      <Berry />
      Bramble
    </a>
    {PAGES.map(([to, text, icon]) => (
      <a
        key={to}
        class="tab"
        href={link(to)}
        aria-current={(to === "/" ? path === "/" : path.startsWith(to)) ? "page" : undefined}
      >
        <Icon name={icon} />
        {text}
        {to === "/" && <Troubles />}
      </a>
    ))}
    <div class="foot">
      <p class={`live ${liveState.value === "live" ? "" : "off"}`} role="status">
        <span class="dot" />
        {{ live: "Live", connecting: "Connecting…", lost: "Connection lost" }[liveState.value]}
      </p>
      <ThemeSwitch />
      <Person />
    </div>
  </nav>
);

const Troubles = () => {
  const { failed, waiting } = troubles.value;
  if (failed > 0)
    return (
      <span class="count bad" title={`${failed} failed`}>
        {failed}
        <span class="unseen"> failed</span>
      </span>
    );
  return waiting > 0 ? (
    <span class="count" title={`${waiting} waiting`}>
      {waiting}
      <span class="unseen"> waiting</span>
    </span>
  ) : null;
};

const THEMES: readonly (readonly [Theme, IconName, string])[] = [
  ["auto", "auto", "As the system"],
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
];

const ThemeSwitch = () => (
  <fieldset class="segments" aria-label="Colours">
    {THEMES.map(([value, icon, text]) => (
      <button
        key={value}
        type="button"
        aria-pressed={theme.value === value}
        aria-label={text}
        title={text}
        onClick={() => {
          theme.value = value;
        }}
      >
        <Icon name={icon} />
      </button>
    ))}
    <button
      type="button"
      aria-label="Keys"
      title="Keys (?)"
      onClick={() => {
        helpOpen.value = true;
      }}
    >
      ?
    </button>
  </fieldset>
);

const Person = () =>
  me.value && (
    <div class="person">
      <span class="small">
        <strong>{me.value.name}</strong> <span class="dim">{me.value.role}</span>
      </span>
      {me.value.via === "session" && (
        <Button small kind="plain" onClick={() => void signOut().catch((error: Error) => say(error.message))}>
          <Icon name="out" />
          <span class="nowrap">Sign out</span>
        </Button>
      )}
    </div>
  );

const KEYS: readonly (readonly [string, string])[] = [
  ...PAGES.map(([, text, , key]): readonly [string, string] => [`g ${key}`, text]),
  ["/", "Filter (on Nodes)"],
  ["↑ ↓ j k", "Move between nodes"],
  ["Space or x", "Choose a node; with Shift and arrows several"],
  ["Ctrl A", "Choose all that are shown"],
  ["Enter", "Open"],
  ["Esc", "Choose none; close"],
  ["?", "This"],
];

const Help = () => {
  const close = () => {
    helpOpen.value = false;
  };
  return (
    <Dialog title="Keys" onClose={close}>
      <div class="inside">
        <h2>Keys</h2>
        <dl class="facts">
          {KEYS.map(([key, text]) => (
            <>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{text}</dd>
            </>
          ))}
        </dl>
        <div class="field tick">
          <input
            id="keys-on"
            type="checkbox"
            checked={keysOn.value}
            onChange={(event) => {
              keysOn.value = event.currentTarget.checked;
            }}
          />
          <label for="keys-on">Single letters act</label>
          <span class="hint">Switch it off where speech input or a habit presses them by accident.</span>
        </div>
        <div class="foot">
          <Button kind="first" onClick={close}>
            Close
          </Button>
        </div>
      </div>
    </Dialog>
  );
};
