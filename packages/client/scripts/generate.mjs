// Makes src/generated.ts from openapi.json, the checked-in copy of the server's document. `--check` only compares.
import { readFileSync, writeFileSync } from "node:fs";

const source = new URL("../openapi.json", import.meta.url);
const target = new URL("../src/generated.ts", import.meta.url);

/** The schemas that the client uses, and so, through their references, the ones that it gets. */
const WANTED = [
  "Accepted",
  "AgentsView",
  "Code",
  "Guest",
  "MessagePage",
  "ProblemDetails",
  "RealtimeStats",
  "RoomEvent",
  "RoomList",
  "RoomView",
  "ServerMessage",
  "StreamView",
  "Ticket",
];

const schemas = JSON.parse(readFileSync(source, "utf8")).components.schemas;

const pascal = (text) => text.replace(/(^|[-_])(\w)/g, (_, __, letter) => letter.toUpperCase());
const nameOf = (reference) => reference.split("/").at(-1);
const indented = (text) => text.replace(/\n(?=.)/g, "\n  ");

function comment(schema, indent = "") {
  if (!schema.description) return "";
  const lines = schema.description.split("\n").map((line) => line.trim());
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

/** A schema as a type expression. */
function type(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.oneOf) return schema.oneOf.map(type).join(" | ");
  if (schema.allOf) return schema.allOf.map(type).join(" & ");
  if (Array.isArray(schema.type)) {
    return schema.type.map((one) => type({ ...schema, type: one })).join(" | ");
  }
  switch (schema.type) {
    case "array":
      return `readonly (${type(schema.items)})[]`.replace(/\((\w+)\)/, "$1");
    case "integer":
    case "number":
      return "number";
    case "object":
      return schema.properties ? object(schema) : "Readonly<Record<string, unknown>>";
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    default:
      return "unknown";
  }
}

function object(schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties).map(([name, property]) => {
    const optional = required.has(name) ? "" : "?";
    return `${comment(property, "  ")}  readonly ${name}${optional}: ${indented(type(property))};\n`;
  });
  return `{\n${fields.join("")}}`;
}

/** The schemas that those and their references lead to, by name. */
function reachable(names) {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name)) return;
    if (!schemas[name]) throw new Error(`openapi.json has no schema ${name}`);
    found.add(name);
    for (const [, next] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      visit(next);
  };
  names.forEach(visit);
  return [...found].sort();
}

/** One declaration, or for a tagged union one for each of its kinds and the union. */
function declare(name) {
  const schema = schemas[name];
  const tag = (kind) => kind.properties?.type?.enum?.[0];
  if (schema.oneOf?.every(tag)) {
    const kinds = schema.oneOf.map((kind) => ({ kind, name: `${pascal(tag(kind))}${suffixes[name] ?? ""}` }));
    const parts = kinds.map(
      ({ kind, name: part }) => `${comment(kind)}export type ${part} = ${object(kind)};\n`,
    );
    const union = kinds.map(({ name: part }) => `\n  | ${part}`).join("");
    return `${parts.join("\n")}\n${comment(schema)}export type ${name} =${union};\n`;
  }
  return `${comment(schema)}export type ${name} = ${type(schema)};\n`;
}

/** What is put behind the kinds of a union, to tell them from other schemas. */
const suffixes = { RoomEvent: "Event", ServerMessage: "Notice" };

const head =
  "// Made from the server's OpenAPI document (openapi.json) by scripts/generate.mjs. Do not edit:\n" +
  "// `npm run schema` writes it anew.\n\n";
const made = head + reachable(WANTED).map(declare).join("\n");

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== made) {
    console.error("src/generated.ts is not what openapi.json says: run `npm run schema -w packages/client`");
    process.exit(1);
  }
} else {
  writeFileSync(target, made);
}
