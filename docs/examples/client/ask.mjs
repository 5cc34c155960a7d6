// Asks an Antiphon server in demo mode and prints the answer as it comes.
//   node ask.mjs "What is Antiphon?" http://127.0.0.1:8787
import { Antiphon, guest } from "@antiphon/client";

const [question = "What is Antiphon?", url = "http://127.0.0.1:8787"] = process.argv.slice(2);
const client = new Antiphon({ url, token: (await guest(url)).token });
const room = client.room((await client.createRoom({ agentId: "guide" })).id);

let shown = "";
room.state.subscribe(() => {
  const answer = room.state.get().messages.find((message) => message.role === "assistant");
  if (!answer) return;
  if (!answer.text.startsWith(shown)) shown = ""; // It began anew.
  process.stdout.write(answer.text.slice(shown.length));
  shown = answer.text;
  if (answer.status !== "streaming") client.close();
});
await room.send(question);
