import { useAntiphon, useConnection } from "@antiphon/react";
import { useEffect, useRef, useState } from "react";
import { useAnnounce } from "../app/Announcer";
import { awayWords } from "./connection_words";
import { useOnline } from "./use_online";

/** A break shorter than this is not worth a word, in milliseconds. */
const PATIENCE = 700;
const TICK = 500;

/** Says that the connection is away and when it is tried again, and lets the person try now. */
export function ConnectionBanner() {
  const client = useAntiphon();
  const state = useConnection();
  const isOnline = useOnline();
  const isAway = state.status !== "live";
  const now = useClock(isAway);
  const isShown = useLasting(isAway);
  useAnnouncedBreaks(isShown);
  if (!isShown) return null;
  return (
    <div className="banner" data-testid="connection-banner">
      <span>{awayWords(state, isOnline, now)}</span>
      {isOnline && (
        <button type="button" className="button small" onClick={() => client.reconnectNow()}>
          Try now
        </button>
      )}
    </div>
  );
}

function useClock(isRunning: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => setNow(Date.now()), TICK);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}

/** True once something has been so for a while. */
function useLasting(isSo: boolean): boolean {
  const [hasLasted, setLasted] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLasted(isSo), isSo ? PATIENCE : 0);
    return () => clearTimeout(timer);
  }, [isSo]);
  return isSo && hasLasted;
}

function useAnnouncedBreaks(isBroken: boolean): void {
  const announce = useAnnounce();
  const wasBroken = useRef(false);
  useEffect(() => {
    if (isBroken === wasBroken.current) return;
    wasBroken.current = isBroken;
    announce(isBroken ? "The connection is lost. Trying again." : "The connection is back.");
  }, [isBroken, announce]);
}
