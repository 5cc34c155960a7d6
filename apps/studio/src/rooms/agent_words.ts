import type { Agent } from "@antiphon/client";

/** What an agent is, said plainly. */
export function agentWords(agent: Agent): string {
  if (agent.kind === "script")
    return "A script. No model answers; it says prepared words, at a model's pace.";
  if (agent.simulated) return "Simulated. No model answers.";
  if (agent.kind === "local") return "A real model that runs inside this server.";
  return `A real model, asked over ${providerName(agent.kind)}.`;
}

/** In a few words, for a chip. */
export function agentChip(agent: Agent): string {
  if (agent.kind === "script") return "Script";
  if (agent.simulated) return "Simulated";
  return agent.kind === "local" ? "Real model, local" : "Real model";
}

/** Why an agent cannot be talked to, or that it can. */
export function readyWords(agent: Agent): string {
  if (agent.ready) return "Ready";
  return agent.kind === "local" ? "Loading, or its weights are missing" : "Not set up yet";
}

function providerName(kind: string): string {
  const names: Readonly<Record<string, string>> = {
    openai: "an OpenAI-compatible API",
    anthropic: "Anthropic",
    gemini: "Gemini",
    ollama: "Ollama",
    perplexity: "Perplexity",
  };
  return names[kind] ?? kind;
}
