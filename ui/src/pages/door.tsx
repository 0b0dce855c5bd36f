// Signing in, and the first admin of a new Bramble.
import { useState } from "preact/hooks";
import { FieldInput } from "../actions/fields.tsx";
import { Problem } from "../api.ts";
import { Button, Command, Refusal } from "../parts/basics.tsx";
import { Berry } from "../parts/icons.tsx";
import { door, doorProblem, setUp, setupSecret, signIn } from "../session.ts";

const SHORTEST = 10;

export const Door = () => (
  <main class="door">
    <div class="card">
      <p class="brand">
        <Berry />
        Bramble
      </p>
      {door.value === "setup" ? <FirstAdmin /> : <SignIn />}
    </div>
  </main>
);

function useSubmit(work: (data: FormData) => Promise<void>) {
  const [problem, setProblem] = useState<Problem | undefined>(doorProblem.value);
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await work(new FormData(event.currentTarget as HTMLFormElement));
    } catch (error) {
      setProblem(error as Problem);
      setBusy(false);
    }
  };
  return { problem, busy, submit };
}

function SignIn() {
  const { problem, busy, submit } = useSubmit((data) =>
    signIn(String(data.get("user")), String(data.get("password"))),
  );
  return (
    <form class="stack" onSubmit={submit}>
      <h1>Sign in</h1>
      <FieldInput field={{ name: "user", label: "User", required: true }} />
      <FieldInput field={{ name: "password", label: "Password", kind: "secret", required: true }} />
      <Refusal problem={problem} />
      <Button type="submit" kind="first" why={busy ? "it is being done" : undefined}>
        Sign in
      </Button>
      <p class="small dim">No password, or forgotten? On the server, this prints a link that signs you in:</p>
      <Command text="./bramble user link NAME" />
    </form>
  );
}

function FirstAdmin() {
  const { problem, busy, submit } = useSubmit(async (data) => {
    const [password, again] = [String(data.get("password")), String(data.get("again"))];
    if (password !== again) throw wrong("the two passwords differ");
    if (password.length < SHORTEST) throw wrong(`a password has at least ${SHORTEST} characters`);
    await setUp(String(data.get("secret") ?? setupSecret.value ?? ""), String(data.get("user")), password);
  });
  return (
    <form class="stack" onSubmit={submit}>
      <h1>Welcome</h1>
      <p>Nobody can sign in yet. Make the first admin; this can be done once.</p>
      {setupSecret.value === undefined && (
        <FieldInput
          field={{
            name: "secret",
            label: "Secret",
            kind: "secret",
            required: true,
            hint: "of the link that Bramble printed when it started (behind #setup=)",
          }}
        />
      )}
      <FieldInput field={{ name: "user", label: "User", required: true, value: "admin" }} />
      <FieldInput
        field={{
          name: "password",
          label: "Password",
          kind: "secret",
          required: true,
          hint: `${SHORTEST} characters at least`,
        }}
      />
      <FieldInput field={{ name: "again", label: "The same again", kind: "secret", required: true }} />
      <Refusal problem={problem} />
      <Button type="submit" kind="first" why={busy ? "it is being done" : undefined}>
        Make the first admin
      </Button>
    </form>
  );
}

const wrong = (title: string) => new Problem({ status: 400, title, code: "BAD_INPUT" });
