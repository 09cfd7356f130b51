// Reads the OpenAPI document, shows each operation, and lets the reader try it. Whatever comes from elsewhere is text.
"use strict";

let contract;

/** An element with attributes and what is in it: texts or elements. */
function make(name, attributes, ...inside) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...inside);
  return element;
}

/** The schema with its references looked up, as deep as a reader follows. */
function resolved(schema, depth = 6) {
  if (Array.isArray(schema)) return schema.map((each) => resolved(each, depth));
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref && depth > 0) {
    const target = schema.$ref.split("/").slice(1).reduce((found, part) => found?.[part], contract);
    return resolved(target, depth - 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value, depth)]));
}

/** A value to begin with: what is required, the first of what may be chosen. */
function example(schema) {
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf && !schema.properties) return example(schema.anyOf[0]);
  if (schema.type === "object") {
    const required = schema.required ?? [];
    return Object.fromEntries(required.map((name) => [name, example(schema.properties[name])]));
  }
  return { array: [], integer: 0, number: 0, boolean: false, null: null }[schema.type] ?? "text";
}

/** A sentence with `code` in it. */
function sentence(text) {
  return text.split("`").map((part, n) => (n % 2 ? make("code", { textContent: part }) : part));
}

function prose(text) {
  return (text ?? "").split(/\n{2,}/).map((paragraph) => make("p", {}, ...sentence(paragraph)));
}

function folded(title, value) {
  const text = JSON.stringify(value, null, 2);
  return make("details", {}, make("summary", {}, title), make("div", {}, make("pre", { textContent: text })));
}

function answers(operation) {
  const found = [make("h3", { textContent: "Answers" })];
  const list = make("dl", {});
  for (const [status, answer] of Object.entries(operation.responses)) {
    list.append(make("dt", { textContent: status }), make("dd", {}, ...sentence(answer.description)));
  }
  found.push(list);
  for (const [status, answer] of Object.entries(operation.responses)) {
    const schema = answer.content?.["application/json"]?.schema;
    if (schema) found.push(folded(`${status}: the shape`, resolved(schema)));
  }
  return found;
}

function field(parameter) {
  const hint = [parameter.in, parameter.required ? "required" : "", parameter.description ?? ""].filter(Boolean).join(", ");
  const input = make("input", { spellcheck: false });
  return { parameter, input, label: make("label", {}, `${parameter.name} (${hint})`, input) };
}

function area(title, value, rows) {
  const input = make("textarea", { value, rows, spellcheck: false });
  return { input, label: make("label", {}, title, input) };
}

function addressOf(path, fields) {
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "query" && input.value) query.append(parameter.name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function headersOf(text, withBody) {
  const headers = new Headers(withBody ? { "Content-Type": "application/json" } : {});
  const token = document.getElementById("token").value.trim();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  for (const line of text.split("\n").filter((each) => each.includes(":"))) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
}

async function shown(answer) {
  const text = await answer.text();
  let body = text;
  try { body = JSON.stringify(JSON.parse(text), null, 2); } catch { /* It is not JSON: as it is. */ }
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const verdict = make("p", { className: answer.ok ? "good" : "bad", textContent: `${answer.status} ${answer.statusText}` });
  return [verdict, make("pre", { textContent: headers }), make("pre", { textContent: body || "(no content)" })];
}

function trial(path, method, operation) {
  const fields = (operation.parameters ?? []).map((each) => field(resolved(each)));
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const body = schema && area("Body", JSON.stringify(example(resolved(schema)), null, 2), 6);
  const headers = area("Header fields, one a line: Prefer: wait=3", "", 1);
  const result = make("div", {});
  result.setAttribute("aria-live", "polite");
  const button = make("button", { type: "button", textContent: "Send" });
  button.addEventListener("click", async () => {
    try {
      result.replaceChildren(make("p", { className: "quiet", textContent: "…" }));
      const options = { method, headers: headersOf(headers.input.value, Boolean(body)), body: body?.input.value };
      result.replaceChildren(...(await shown(await fetch(addressOf(path, fields), options))));
    } catch (error) {
      result.replaceChildren(make("p", { className: "bad", textContent: `No answer: ${error.message}` }));
    }
  });
  const shape = schema ? [folded("Body: the shape", resolved(schema))] : [];
  const inputs = [...fields, ...(body ? [body] : []), headers].map(({ label }) => label);
  return [...shape, make("h3", { textContent: "Try it" }), ...inputs, button, result];
}

function entry(path, method, operation) {
  const [what] = (operation.description ?? operation.summary).split("\n");
  const title = make("summary", {}, make("b", { textContent: method }), make("code", { textContent: path }), " ",
    make("span", {}, ...sentence(what), operation.security ? "" : " (no token)"));
  const details = make("details", {}, title);
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    details.append(make("div", {}, ...prose(operation.description), ...answers(operation), ...trial(path, method, operation)));
  });
  return details;
}

function section(tag) {
  return make("section", {}, make("h2", { textContent: tag }));
}

function show() {
  document.title = document.getElementById("title").textContent = `${contract.info.title} ${contract.info.version}`;
  document.getElementById("about").append(...prose(contract.info.description));
  const sections = new Map(["assistance"].map((tag) => [tag, section(tag)])); // What bots want comes first.
  for (const [path, operations] of Object.entries(contract.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const [tag] = operation.tags;
      if (!sections.has(tag)) sections.set(tag, section(tag));
      sections.get(tag).append(entry(path, method.toUpperCase(), operation));
    }
  }
  document.getElementById("operations").replaceChildren(...sections.values());
}

async function read() {
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    contract = await answer.json();
    show();
  } catch (error) {
    const text = `/openapi.json cannot be read: ${error.message}`;
    document.getElementById("operations").replaceChildren(make("p", { className: "bad", textContent: text }));
  }
}

read();
