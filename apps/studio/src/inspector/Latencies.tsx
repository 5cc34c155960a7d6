import type { RealtimeStats } from "@antiphon/client";
import { useAntiphon, useConnection } from "@antiphon/react";
import { useEffect, useState } from "react";
import { milliseconds } from "../rooms/times";

/** How often the figures are read, in milliseconds. */
const INTERVAL = 2_000;

type Hop = { hop: string; name: string; p50: number; p99: number; count: number };

/** The hops of an event from the model to this page, as the server measured them. */
export function hopsOf(stats: RealtimeStats): Hop[] {
  const { providerToLog, logToHub, hubToSocket } = stats.latency;
  return [
    { hop: "providerToLog", name: "Model to log", ...providerToLog },
    { hop: "logToHub", name: "Log to hub", ...logToHub },
    { hop: "hubToSocket", name: "Hub to socket", ...hubToSocket },
    { hop: "cancel", name: "Stop to model", ...stats.cancel },
  ];
}

/** Where the time goes. */
export function Latencies() {
  const client = useAntiphon();
  const { roundTripMs, transport } = useConnection();
  const [stats, setStats] = useState<RealtimeStats>();
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    let isOver = false;
    const read = () =>
      client.stats().then(
        (read) => {
          if (!isOver) setStats(read);
          setFailed(false);
        },
        () => setFailed(true),
      );
    void read();
    const timer = setInterval(() => void read(), INTERVAL);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [client]);
  return (
    <section aria-label="Latency">
      <table className="hops">
        <thead>
          <tr>
            <th scope="col">Latency</th>
            <th scope="col">p50</th>
            <th scope="col">p99</th>
          </tr>
        </thead>
        <tbody>
          {stats &&
            hopsOf(stats).map(({ hop, name, p50, p99, count }) => (
              <tr key={hop} data-testid="inspector-row" data-hop={hop} title={`${count} measured`}>
                <th scope="row">{name}</th>
                <td>{count === 0 ? "–" : milliseconds(p50)}</td>
                <td>{count === 0 ? "–" : milliseconds(p99)}</td>
              </tr>
            ))}
          <tr data-testid="inspector-row" data-hop="roundTrip">
            <th scope="row">Round trip{transport ? `, ${transport === "sse" ? "SSE" : "WebSocket"}` : ""}</th>
            <td>{roundTripMs === undefined ? "–" : milliseconds(roundTripMs)}</td>
            <td />
          </tr>
        </tbody>
      </table>
      {hasFailed && <p className="inspector-note">The server did not answer; these figures may be old.</p>}
    </section>
  );
}
