import { useState, type SubmitEvent } from "react";
import { Mark } from "../app/Mark";

/** Takes a token where the server lets no guests in. */
export function SignIn({ onToken, hasEnded }: { onToken: (token: string) => void; hasEnded: boolean }) {
  const [token, setToken] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  };
  return (
    <main className="sign-in" data-testid="app">
      <form onSubmit={submit}>
        <Mark />
        <h1>Sign in</h1>
        <p>
          {hasEnded
            ? "Your token has ended or was refused. Paste a new one to go on."
            : "This server lets no guests in. Paste a token for it; whoever runs the server makes one with "}
          {!hasEnded && <code>antiphon token</code>}
        </p>
        <label htmlFor="token">Token</label>
        <textarea
          id="token"
          rows={4}
          spellCheck={false}
          autoComplete="off"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={token.trim() === ""}>
          Sign in
        </button>
      </form>
    </main>
  );
}
