import { memo } from "react";

/** What the model thought and did not say, folded away. */
export const Reasoning = memo(function Reasoning({
  text,
  isThinking,
}: {
  text: string;
  isThinking: boolean;
}) {
  return (
    <details className="reasoning">
      <summary>{isThinking ? "Thinking…" : "Thoughts"}</summary>
      <p>{text}</p>
    </details>
  );
});
