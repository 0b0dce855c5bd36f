import { link } from "../place.ts";

/** Labels; each leads to the nodes that have it, too. */
export const Labels = ({ labels = {} }: { labels?: Readonly<Record<string, string>> | undefined }) => (
  <>
    {Object.entries(labels).map(([key, value]) => (
      <a key={key} class="label" href={link("/nodes", { filter: `${key}=${value}` })} tabIndex={-1}>
        {key}={value}
      </a>
    ))}
  </>
);
