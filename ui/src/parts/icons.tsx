// Line drawings of 24 × 24, in the colour of the text beside them.
const PATHS = {
  overview: "M3 12h4l2.5-7 4 14L16.500 12H21",
  nodes: "M4 5h16v5H4zM4 14h16v5H4zM7.500 7.500h.01M7.500 16.500h.01",
  racks: "M5 3h14v18H5zM5 9h14M5 15h14M8 6h3M8 12h3M8 18h3",
  image: "M12 3l8 4-8 4-8-4zM4 12l8 4 8-4M4 16.500l8 4 8-4",
  profile: "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h5",
  group:
    "M8 11a3 3 0 100-6 3 3 0 000 6zM2.500 19c.5-3 2.500-5 5.500-5s5 2 5.500 5M16 11a2.500 2.500 0 100-5M16.500 14c2.500 0 4.500 2 5 5",
  switch: "M3 8h18v8H3zM6.500 11v2M10 11v2M13.500 11v2M17.500 11v2",
  disk: "M4 7c0-2 3.500-3 8-3s8 1 8 3-3.500 3-8 3-8-1-8-3zM4 7v10c0 2 3.500 3 8 3s8-1 8-3V7M4 12c0 2 3.500 3 8 3s8-1 8-3",
  events: "M5 6h14M5 12h14M5 18h9",
  people: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.500 20c.8-4 3.500-6 7.500-6s6.700 2 7.500 6",
  settings:
    "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.500a2.500 2.500 0 100-5 2.500 2.500 0 000 5zM9 19.500a2.500 2.500 0 100-5 2.500 2.500 0 000 5z",
  power: "M12 3v8M7 6.500a7 7 0 1010 0",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  search: "M10.500 17a6.500 6.500 0 100-13 6.500 6.500 0 000 13zM15.500 15.500L20 20",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  moon: "M20 14.500A8 8 0 119.500 4a6.500 6.500 0 0010.500 10.500z",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M19 5l-1.500 1.500M6.500 17.500L5 19",
  auto: "M12 4a8 8 0 100 16zM12 4a8 8 0 010 16",
  out: "M14 4h5v16h-5M4 12h11M11 8l4 4-4 4",
  plus: "M12 5v14M5 12h14",
  down: "M7 10l5 5 5-5",
} as const;

export type IconName = keyof typeof PATHS;

export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
);

export const Berry = () => (
  <svg viewBox="0 0 24 24" aria-hidden="true">
    <g fill="#a3326e">
      <circle cx="12" cy="10" r="2.6" />
      <circle cx="7.6" cy="11" r="2.6" />
      <circle cx="16.4" cy="11" r="2.6" />
      <circle cx="9.6" cy="14.8" r="2.6" />
      <circle cx="14.4" cy="14.8" r="2.6" />
      <circle cx="12" cy="18.600" r="2.6" />
    </g>
    <path d="M12 7C10 7 8 6 7 4c2.400-.6 4.400.4 5 3zc.2-2 1.200-3.300 3-4" fill="#4a8a3c" stroke="#4a8a3c" />
  </svg>
);
