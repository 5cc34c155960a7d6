import { guest } from "@antiphon/client";

/** Who is signed in. Whose token has ended signs in again: a guest becomes another guest. */
export type Session = {
  readonly userId: string;
  readonly token: string;
  readonly isGuest: boolean;
  readonly expiresAt?: string;
};

const KEPT_AS = "antiphon.session";
/** A token that ends within this time is not used any more, in milliseconds. */
const SPARE = 60_000;

/** What was kept of an earlier visit, where it still holds. */
export function keptSession(now = Date.now()): Session | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT_AS) ?? "null") as Session | null;
    if (typeof kept?.token !== "string") return undefined;
    const isOver = kept.expiresAt !== undefined && Date.parse(kept.expiresAt) < now + SPARE;
    return isOver ? undefined : kept;
  } catch {
    return undefined;
  }
}

function keep(session: Session): Session {
  localStorage.setItem(KEPT_AS, JSON.stringify(session));
  return session;
}

/** Forgets who is signed in. */
export function forgetSession(): void {
  localStorage.removeItem(KEPT_AS);
}

/** Becomes a new guest; rejects where the server lets none in. */
export async function signInAsGuest(): Promise<Session> {
  const { userId, token, expiresAt } = await guest(location.origin);
  return keep({ userId, token, expiresAt, isGuest: true });
}

/** Signs in with a token that somebody gave; its claims are the server's to check. */
export function signInWith(token: string): Session {
  return keep({ userId: subjectOf(token) ?? "you", token, isGuest: false });
}

/** The `sub` of a JSON Web Token (RFC 7519), for showing only. */
export function subjectOf(token: string): string | undefined {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(payload)) as { sub?: unknown };
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}
