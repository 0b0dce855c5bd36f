import type { ProfileDetail } from "../../../src/api/profile-contract.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import {
  addProfile,
  applyProfile,
  forgetCluster,
  removeProfile,
  removeSecret,
  setProfile,
  setSecret,
} from "../actions/profile.ts";
import { count, size, time } from "../format.ts";
import { nodeList } from "../nodes.ts";
import { Button, Card, Chip, Empty, Facts, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";
import { Templates, VersionList } from "./templates.tsx";

export function Profiles() {
  const { data, problem } = useResource("profiles", {}, ["profile"]);
  const ready = useResource("readyProfiles", {});
  const shipped = (ready.data.value ?? []).map(({ name, about }) => ({
    value: name,
    text: `${name}: ${about}`,
  }));
  const wish = addProfile(shipped);
  const nodes = nodeList.value;
  return (
    <>
      <Head
        title="Profiles"
        words="How nodes boot: image, root disk, and templates of what is written for each."
      >
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a profile
        </Button>
      </Head>
      <div class="stack">
        <Refusal problem={problem.value} />
        {!data.value && !problem.value && <Loading />}
        {data.value && (
          <Card>
            <List label="Profiles" head={["Name", "Image", "Root disk", "User", "Disk", "Nodes"]}>
              {data.value.map((profile) => {
                const users = nodes.filter((node) => node.profile === profile.name).length;
                return (
                  <tr key={profile.name}>
                    <td>
                      <a href={link(`/profiles/${profile.name}`)}>{profile.name}</a>
                    </td>
                    <td>{profile.image ?? <span class="dim">none: its nodes cannot boot</span>}</td>
                    <td>{profile.root}</td>
                    <td>{profile.user ?? "–"}</td>
                    <td>{profile.ephemeral ? <Chip tone="wait">anew at every boot</Chip> : "kept"}</td>
                    <td class="num">
                      <a href={link("/nodes", { filter: `profile=${profile.name}` })}>{users}</a>
                    </td>
                  </tr>
                );
              })}
            </List>
          </Card>
        )}
        {shipped.length > 0 && (
          <Card title="Profiles that come with Bramble">
            <List label="Profiles that come with Bramble" head={["Name", "What it makes"]}>
              {ready.data.value?.map((one) => (
                <tr key={one.name}>
                  <td>{one.name}</td>
                  <td class="words">{one.about}</td>
                </tr>
              ))}
            </List>
          </Card>
        )}
      </div>
    </>
  );
}

export function ProfilePage({ name }: { name: string }) {
  const { data, problem } = useResource("profile", { profile: name }, ["profile"], name);
  const crumb = { href: link("/profiles"), text: "Profiles" };
  const profile = data.value;
  if (!profile)
    return (
      <>
        <Head title={name} crumb={crumb} />
        {problem.value ? <Refusal problem={problem.value} /> : <Loading />}
      </>
    );
  return (
    <>
      <Head title={profile.name} crumb={crumb}>
        <Actions
          entries={[
            entry(setProfile(profile)),
            entry(applyProfile(profile.name)),
            entry(setSecret(profile.name)),
            entry(forgetCluster(profile)),
            entry(removeProfile(profile)),
          ]}
        />
      </Head>
      <div class="stack">
        <Refusal problem={problem.value} />
        <Settings profile={profile} />
        <Templates key={profile.name} profile={profile} />
        <VersionList profile={profile} />
        <Secrets profile={profile} />
      </div>
    </>
  );
}

const Settings = ({ profile }: { profile: ProfileDetail }) => (
  <Card title="Settings">
    {profile.image === undefined && (
      <Empty title="It has no image" command="./bramble image add FILE|URL">
        <p>
          Its nodes cannot boot. <a href={link("/images")}>Add an image</a>, then choose it with "Change
          settings".
        </p>
      </Empty>
    )}
    <Facts
      rows={[
        ["Image", profile.image],
        ["Root disk", profile.root],
        ["Boot files", profile.firmware],
        ["User", profile.user],
        ["Password", profile.hasPassword ? "set" : "none"],
        ["SSH keys", String(profile.sshKeys)],
        ["Disk", profile.ephemeral ? "made anew at every boot" : "kept"],
        ["Quota", profile.quota === undefined ? undefined : size(profile.quota)],
        ["Volumes", profile.volumes.map((one) => `${one.name} ${size(one.size)}`).join(", ")],
        [
          "Nodes",
          profile.nodes.length === 0 ? (
            "none"
          ) : (
            <a key="nodes" href={link("/nodes", { filter: `profile=${profile.name}` })}>
              {count(profile.nodes.length, "node")}
            </a>
          ),
        ],
        ["Cluster", profile.cluster && `made by ${profile.cluster.first} at ${profile.cluster.address}`],
      ]}
    />
  </Card>
);

const Secrets = ({ profile }: { profile: ProfileDetail }) => (
  <Card title="Secrets">
    {profile.secrets.length === 0 ? (
      <p class="dim">None. Templates would use one as secret.NAME.</p>
    ) : (
      <List label="Secrets" head={["Name", "Set", ""]}>
        {profile.secrets.map((secret) => (
          <tr key={secret.name}>
            <td>
              <code>secret.{secret.name}</code>
            </td>
            <td>{time(secret.setMs)}</td>
            <td>
              <Actions shown={0} entries={[entry(removeSecret(profile.name, secret.name))]} />
            </td>
          </tr>
        ))}
      </List>
    )}
  </Card>
);
