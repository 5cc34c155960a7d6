import type { Store } from "@antiphon/client";
import { useCallback, useSyncExternalStore } from "react";

/** A hidden page has no frames: then changes are shown this often, in milliseconds. */
const HIDDEN_INTERVAL = 250;

/** Calls back in the next frame, or soon where the page is hidden. */
function nextFrame(call: () => void): () => void {
  if (document.hidden) {
    const timer = setTimeout(call, HIDDEN_INTERVAL);
    return () => clearTimeout(timer);
  }
  const frame = requestAnimationFrame(call);
  return () => cancelAnimationFrame(frame);
}

/** The value of a store, rendered at most once a frame however often it changes. */
export function useFramed<T>(store: Store<T>): T {
  const subscribe = useCallback(
    (listener: () => void) => {
      let cancel: (() => void) | undefined;
      const render = () => {
        cancel = undefined;
        listener();
      };
      const unsubscribe = store.subscribe(() => (cancel ??= nextFrame(render)));
      // A frame that was asked for is not given while the page is hidden.
      const renew = () => {
        if (!cancel) return;
        cancel();
        cancel = nextFrame(render);
      };
      document.addEventListener("visibilitychange", renew);
      return () => {
        cancel?.();
        unsubscribe();
        document.removeEventListener("visibilitychange", renew);
      };
    },
    [store],
  );
  const get = useCallback(() => store.get(), [store]);
  return useSyncExternalStore(subscribe, get);
}
