import { useCallback, useEffect, useRef, useState } from "react";

/** So near to the end counts as at the end, in pixels. */
const NEAR = 60;

/** Keeps a scrolling list at its end as it grows, as long as the reader is there. */
export function useAutoscroll() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  const lastTop = useRef(0);
  const [isAway, setAway] = useState(false);

  const toEnd = useCallback(() => {
    isFollowing.current = true;
    setAway(false);
    const list = scroller.current;
    if (list) list.scrollTop = list.scrollHeight;
  }, []);

  const onScroll = useCallback(() => {
    const list = scroller.current;
    if (!list) return;
    const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR;
    // Only somebody who scrolls up leaves the end; a list that grew is not a reader who left.
    if (isNear) isFollowing.current = true;
    else if (list.scrollTop < lastTop.current - 1) isFollowing.current = false;
    lastTop.current = list.scrollTop;
    setAway(!isFollowing.current);
  }, []);

  useEffect(() => {
    const [list, inner] = [scroller.current, content.current];
    if (!list || !inner) return undefined;
    // Called after layout, so that following costs no layout of its own.
    const observer = new ResizeObserver(() => {
      if (isFollowing.current) list.scrollTop = list.scrollHeight;
    });
    observer.observe(inner);
    observer.observe(list);
    return () => observer.disconnect();
  }, []);

  return { scroller, content, isAway, toEnd, onScroll };
}
