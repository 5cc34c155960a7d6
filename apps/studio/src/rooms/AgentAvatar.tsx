/** An agent's initial. */
export function AgentAvatar({ name }: { name: string }) {
  return (
    <span className="avatar" aria-hidden="true">
      {(Array.from(name)[0] ?? "?").toUpperCase()}
    </span>
  );
}
