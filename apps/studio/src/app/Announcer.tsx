import { createContext, useCallback, useContext, useState, type ReactNode } from "react";

const AnnounceContext = createContext<(words: string) => void>(() => undefined);

/** Says something to those who hear the page rather than see it. */
export function useAnnounce(): (words: string) => void {
  return useContext(AnnounceContext);
}

/** The one place from which a screen reader is told of changes: states and whole answers, never pieces. */
export function Announcer({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState({ words: "", times: 0 });
  const announce = useCallback(
    (words: string) => setSaid((former) => ({ words, times: former.times + 1 })),
    [],
  );
  return (
    <AnnounceContext.Provider value={announce}>
      {children}
      <div className="visually-hidden" role="status" aria-live="polite">
        <p key={said.times}>{said.words}</p>
      </div>
    </AnnounceContext.Provider>
  );
}
