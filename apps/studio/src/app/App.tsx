import { Antiphon, AntiphonError } from "@antiphon/client";
import { AntiphonProvider } from "@antiphon/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { forgetSession, keptSession, signInAsGuest, signInWith, type Session } from "../sign_in/session";
import { SignIn } from "../sign_in/SignIn";
import { Announcer } from "./Announcer";
import { ErrorNotice } from "./ErrorNotice";
import { wordsOf } from "./error_words";
import { Studio } from "./Studio";

type Entry =
  | { state: "entering" }
  | { state: "in"; client: Antiphon; session: Session }
  | { state: "token-needed"; hasEnded: boolean }
  | { state: "failed"; error: unknown };

/** Codes with which a server says that it takes no guests. */
const NO_GUESTS = new Set(["not_found", "forbidden", "unauthorized", "method_not_allowed"]);

/** Lets the person in: as they came before, as a guest, or with a token. */
export function App() {
  const { entry, begin, signIn, ended } = useEntry();
  if (entry.state === "entering") return <div className="entering" role="status" aria-label="Loading" />;
  if (entry.state === "token-needed") return <SignIn hasEnded={entry.hasEnded} onToken={signIn} />;
  if (entry.state === "failed")
    return (
      <main className="sign-in" data-testid="app">
        <ErrorNotice words={wordsOf(entry.error)}>
          <button type="button" className="button" onClick={begin}>
            Try again
          </button>
        </ErrorNotice>
      </main>
    );
  return (
    <AntiphonProvider client={entry.client}>
      <Announcer>
        <Studio key={entry.session.token} session={entry.session} onEnded={ended} />
      </Announcer>
    </AntiphonProvider>
  );
}

function useEntry() {
  const [entry, setEntry] = useState<Entry>({ state: "entering" });
  const refused = useRef<string>(undefined);

  const enter = useCallback((session: Session) => {
    const client = new Antiphon({ url: location.origin, token: session.token });
    setEntry({ state: "in", client, session });
  }, []);

  const begin = useCallback(() => {
    const kept = keptSession();
    const coming = kept ? Promise.resolve(kept) : signInAsGuest();
    coming.then(enter, (error: unknown) => {
      const isClosed = error instanceof AntiphonError && NO_GUESTS.has(error.code);
      setEntry(isClosed ? { state: "token-needed", hasEnded: false } : { state: "failed", error });
    });
  }, [enter]);

  const ended = useCallback(
    (session: Session) => {
      // Another tab may have signed in again.
      if (keptSession()?.token === session.token) forgetSession();
      // A new guest who is refused as well would be refused for ever.
      const isAgain = refused.current !== undefined;
      refused.current = session.token;
      if (session.isGuest && !isAgain) begin();
      else setEntry({ state: "token-needed", hasEnded: true });
    },
    [begin],
  );

  const signIn = useCallback((token: string) => enter(signInWith(token)), [enter]);
  useEffect(() => beginOnce(begin), [begin]);
  return { entry, begin, signIn, ended };
}

let hasBegun = false;

/** StrictMode runs effects twice, and a second guest would be somebody else. */
function beginOnce(begin: () => void): void {
  if (hasBegun) return;
  hasBegun = true;
  begin();
}
