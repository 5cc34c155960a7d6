import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Cell, Derived } from "../src/store.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a store", () => {
  it("tells of what came together once, and of nothing where nothing changed", () => {
    const cell = new Cell(0);
    const listener = vi.fn();
    const end = cell.subscribe(listener);
    for (let value = 1; value <= 100; value++) cell.set(value);
    expect([cell.get(), listener.mock.calls.length]).toEqual([100, 0]);
    vi.runAllTimers();
    cell.set(100);
    vi.runAllTimers();
    expect(listener).toHaveBeenCalledTimes(1);
    end();
    cell.set(101);
    vi.runAllTimers();
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("is made anew at most once for each time something changed, and only when it is asked for", () => {
    const derive = vi.fn((former: { n: number } | undefined) => former ?? { n: 1 });
    const derived = new Derived(derive);
    for (let changes = 0; changes < 5; changes++) derived.invalidate();
    expect(derive).not.toHaveBeenCalled();
    expect(derived.get()).toBe(derived.get());
    expect(derive).toHaveBeenCalledTimes(1);
    derived.invalidate();
    derived.get();
    expect(derive).toHaveBeenCalledTimes(2);
  });

  it("tells the other listeners where one throws, and lets that be seen", () => {
    const seen = vi.fn();
    const thrown = vi.fn();
    vi.stubGlobal("queueMicrotask", (task: () => void) => {
      expect(task).toThrow("mine");
      thrown();
    });
    const cell = new Cell(0);
    cell.subscribe(() => {
      throw new Error("mine");
    });
    cell.subscribe(seen);
    cell.set(1);
    vi.runAllTimers();
    vi.unstubAllGlobals();
    expect([seen.mock.calls.length, thrown.mock.calls.length]).toEqual([1, 1]);
  });
});
