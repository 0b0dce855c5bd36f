import { useState } from "preact/hooks";
import {
  addToken,
  addUser,
  loginLink,
  removeToken,
  removeUser,
  setUser,
  shownOnce,
} from "../actions/access.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { Dialog } from "../actions/dialog.tsx";
import { FieldInput } from "../actions/fields.tsx";
import type { Problem } from "../api.ts";
import { time } from "../format.ts";
import { Ago, Button, Card, Chip, Command, Empty, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { useResource } from "../resource.ts";
import { changePassword, lacksRole, me } from "../session.ts";
import { say } from "../tasks.ts";

export function People() {
  const admin = lacksRole("admin");
  return (
    <>
      <Head title="Users and tokens" words="Who may do what, and who did." />
      <div class="stack">
        {admin === undefined ? <Users /> : <p class="dim">Users and the audit log: {admin}.</p>}
        <Tokens />
        {me.value?.via === "session" && <Password />}
        {admin === undefined && <Audit />}
      </div>
      <ShownOnce />
    </>
  );
}

/** A secret that cannot be read again. */
export const ShownOnce = () => {
  const shown = shownOnce.value;
  if (!shown) return null;
  const close = () => {
    shownOnce.value = undefined;
  };
  return (
    <Dialog title={shown.title} onClose={close}>
      <div class="inside">
        <h2>{shown.title}</h2>
        <p>It is shown this once: copy it now.</p>
        <Command text={shown.secret} />
        <div class="foot">
          <Button kind="first" onClick={close}>
            I have it
          </Button>
        </div>
      </div>
    </Dialog>
  );
};

function Users() {
  const { data, problem } = useResource("users", {}, ["user"]);
  const wish = addUser();
  return (
    <Card
      title="Users"
      more={
        <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a user
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value?.length === 0 && (
        <Empty title="No user yet" command="./bramble user add NAME --role operator">
          <p>You are here as whoever may open Bramble's data folder. Make users for everybody else.</p>
        </Empty>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Users" head={["Name", "Role", "Password", "Last signed in", ""]}>
          {data.value?.map((user) => (
            <tr key={user.name}>
              <td>{user.name}</td>
              <td>{user.role}</td>
              <td>{user.hasPassword ? "set" : "none"}</td>
              <td>{user.lastLoginMs === undefined ? "never" : <Ago ms={user.lastLoginMs} />}</td>
              <td>
                <Actions
                  shown={0}
                  entries={[
                    entry(setUser(user)),
                    entry(loginLink(user)),
                    entry(removeUser(user, user.name === me.value?.name)),
                  ]}
                />
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}

function Tokens() {
  const { data, problem } = useResource("tokens", {}, ["user"]);
  const wish = addToken();
  return (
    <Card
      title="Tokens"
      more={
        <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a token
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && <p class="dim">None. A program that calls the API needs one.</p>}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Tokens" head={["Name", "Role", "Areas", "Whose", "Last used", "Expires", ""]}>
          {data.value?.map((token) => (
            <tr key={token.id}>
              <td>{token.name}</td>
              <td>{token.role}</td>
              <td>{token.scopes.join(", ") || "all"}</td>
              <td>{token.user ?? "–"}</td>
              <td>{token.lastUsedMs === undefined ? "never" : <Ago ms={token.lastUsedMs} />}</td>
              <td>
                {token.expiresMs === undefined ? (
                  "never"
                ) : token.expiresMs < Date.now() ? (
                  <Chip tone="bad">expired</Chip>
                ) : (
                  time(token.expiresMs)
                )}
              </td>
              <td>
                <Actions shown={0} entries={[entry(removeToken(token))]} />
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}

function Password() {
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    try {
      await changePassword(String(data.get("old")), String(data.get("password")));
      setProblem(undefined);
      form.reset();
      say("Your password is changed; your other sessions are ended");
    } catch (error) {
      setProblem(error as Problem);
    }
  };
  return (
    <Card title="Your password">
      <form class="stack" style={{ maxWidth: "24rem" }} onSubmit={submit}>
        <FieldInput field={{ name: "old", label: "The present one", kind: "secret", required: true }} />
        <FieldInput
          field={{
            name: "password",
            label: "A new one",
            kind: "secret",
            required: true,
            hint: "10 characters at least",
          }}
        />
        <Refusal problem={problem} />
        <p>
          <Button type="submit">Change it</Button>
        </p>
      </form>
    </Card>
  );
}

function Audit() {
  const { data, problem } = useResource("audit", { limit: 100 }, [
    "user",
    "setting",
    "node",
    "profile",
    "image",
  ]);
  const check = useResource("checkAudit", {});
  return (
    <Card
      title="Audit log"
      more={
        check.data.value &&
        (check.data.value.brokenAt === undefined ? (
          <Chip tone="ok">unbroken, {check.data.value.records} records</Chip>
        ) : (
          <Chip tone="bad">broken at record {check.data.value.brokenAt}</Chip>
        ))
      }
    >
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && <p class="dim">Nothing was changed yet.</p>}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Audit log" head={["When", "Who", "From", "What", "Of", "Result"]}>
          {data.value?.map((one) => (
            <tr key={one.id}>
              <td class="nowrap">{time(one.atMs)}</td>
              <td>
                {one.by} <span class="dim">{one.role}</span>
              </td>
              <td>{one.from ?? ""}</td>
              <td>
                <code>{one.action}</code>
              </td>
              <td>{one.target ?? ""}</td>
              <td class={one.result === "ok" ? "" : "bad-text"}>{one.result}</td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
