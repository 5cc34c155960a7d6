import type { Antiphon } from "@antiphon/client";
import { createContext, useContext, type ReactNode } from "react";

const ClientContext = createContext<Antiphon | undefined>(undefined);

/** Gives the components below it their client. The client is the application's: it makes it and closes it. */
export function AntiphonProvider(props: { client: Antiphon; children?: ReactNode }): ReactNode {
  return <ClientContext.Provider value={props.client}>{props.children}</ClientContext.Provider>;
}

/** The client of the nearest `AntiphonProvider`. */
export function useAntiphon(): Antiphon {
  const client = useContext(ClientContext);
  if (!client) throw new Error("useAntiphon needs an <AntiphonProvider> above it");
  return client;
}
