/** The page's own drawings, on a grid of 24. */
const PATHS = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h10",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 8a4 4 0 1 0 .01 0zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M20 14.2A8.2 8.2 0 0 1 9.8 4a8.2 8.2 0 1 0 10.2 10.2z",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10.5-6.5z",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.2 11v5M13.8 11v5",
  activity: "M3 12h4l3-8 4 16 3-8h4",
  face: "M12 3.5a8.5 8.5 0 1 0 .01 0zM9 10v1M15 10v1M8.6 14.2c1.3 2.2 5.5 2.2 6.8 0",
  down: "M12 5v14M6 13l6 6 6-6",
  retry: "M4.5 12a7.5 7.5 0 1 0 2.4-5.5M4.5 4.5v4h4",
  warning: "M12 4.5l8.5 14.5h-17zM12 10v4M12 16.6v.1",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9v.1",
  check: "M5 12.5l4.5 4.5L19 7.5",
} as const;

/** The name of a drawing. */
export type IconName = keyof typeof PATHS;

/** A drawing that stands for nothing by itself: what it is on says what it does. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
