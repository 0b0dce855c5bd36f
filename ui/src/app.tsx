import { useEffect, useState } from "preact/hooks";
import { Route, Router, Switch } from "wouter-preact";
import { ActionDialog } from "./actions/dialog.tsx";
import { call } from "./api.ts";
import { startChoices } from "./choices.ts";
import { Frame } from "./frame.tsx";
import { addEvents } from "./live.ts";
import { startNodes } from "./nodes.ts";
import { Disks } from "./pages/disks.tsx";
import { Door } from "./pages/door.tsx";
import { Events } from "./pages/events.tsx";
import { Groups } from "./pages/groups.tsx";
import { Images } from "./pages/images.tsx";
import { NodePage } from "./pages/node.tsx";
import { Nodes } from "./pages/nodes.tsx";
import { Overview } from "./pages/overview.tsx";
import { People } from "./pages/people.tsx";
import { ProfilePage, Profiles } from "./pages/profiles.tsx";
import { Racks } from "./pages/racks.tsx";
import { Reliability } from "./pages/reliability.tsx";
import { Settings } from "./pages/settings.tsx";
import { Switches, SwitchPage } from "./pages/switches.tsx";
import { Button, Empty, Head, Loading, Refusal } from "./parts/basics.tsx";
import { Notes } from "./parts/notes.tsx";
import { hashLocation, link } from "./place.ts";
import { startPowers } from "./powers.ts";
import { arrive, door, doorProblem } from "./session.ts";

export function App() {
  if (door.value === "asking") return <Splash />;
  if (door.value === "unreachable") return <Unreachable />;
  if (door.value !== "in") return <Door />;
  return <Inside />;
}

const Splash = () => (
  <main class="door">
    <Loading />
  </main>
);

const Unreachable = () => (
  <main class="door">
    <div class="card">
      <h1>Bramble does not answer</h1>
      <Refusal problem={doorProblem.value} />
      <Button kind="first" onClick={() => void arrive()}>
        Try again
      </Button>
    </div>
  </main>
);

function Inside() {
  const [refused, setRefused] = useState<string | undefined>(undefined);
  useEffect(() => {
    void startNodes();
    call("events", { limit: 200 }).then(addEvents, (error: Error) => setRefused(error.message));
    const ends = [startChoices(), startPowers()];
    return () => {
      for (const end of ends) end();
    };
  }, []);
  return (
    <Router hook={hashLocation}>
      <Frame>
        {refused !== undefined && (
          <div class="banner bad">The latest events could not be read: {refused}</div>
        )}
        <Switch>
          <Route path="/" component={Overview} />
          <Route path="/nodes" component={Nodes} />
          <Route path="/nodes/:node/:tab?">
            {(params: { node: string; tab?: string }) => (
              <NodePage key={params.node} name={params.node} tab={params.tab ?? "boot"} />
            )}
          </Route>
          <Route path="/racks" component={Racks} />
          <Route path="/images" component={Images} />
          <Route path="/disks" component={Disks} />
          <Route path="/profiles" component={Profiles} />
          <Route path="/profiles/:profile">
            {(params: { profile: string }) => <ProfilePage key={params.profile} name={params.profile} />}
          </Route>
          <Route path="/groups" component={Groups} />
          <Route path="/switches" component={Switches} />
          <Route path="/switches/:name">
            {(params: { name: string }) => <SwitchPage key={params.name} name={params.name} />}
          </Route>
          <Route path="/events" component={Events} />
          <Route path="/reliability" component={Reliability} />
          <Route path="/people" component={People} />
          <Route path="/settings" component={Settings} />
          <Route>
            <Head title="There is no such page" />
            <Empty title="Nothing is here">
              <a href={link("/")}>To the overview</a>
            </Empty>
          </Route>
        </Switch>
      </Frame>
      <ActionDialog />
      <Notes />
    </Router>
  );
}
