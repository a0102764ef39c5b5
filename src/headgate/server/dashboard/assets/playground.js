// Sends one prompt to several models and shows each answer as it comes. Answers go in as text.
const LANES_MAX = 4;

export function openPlayground() {
  const form = document.querySelector("[data-playground]");
  if (!form) return;
  const lanes = document.querySelector(".lanes");
  const stop = form.querySelector("[data-stop]");
  let running = new AbortController();
  document.querySelector("[data-more]").addEventListener("click", (event) => {
    const lane = lanes.lastElementChild.cloneNode(true);
    lane.querySelector("label").firstChild.textContent = `Model ${lanes.children.length + 1} `;
    for (const part of lane.querySelectorAll("[data-answer], [data-facts]")) part.textContent = "";
    lanes.append(lane);
    event.target.disabled = lanes.children.length >= LANES_MAX;
  });
  stop.addEventListener("click", () => running.abort());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    running.abort();
    running = new AbortController();
    stop.disabled = false;
    const chosen = [...lanes.children].filter((lane) => lane.querySelector("[data-model]").value);
    const url = new URL(location);
    url.searchParams.set("models", chosen.map((lane) => lane.querySelector("[data-model]").value).join(","));
    history.replaceState(null, "", url);
    await Promise.all(chosen.map((lane) => ask(form, lane, running.signal)));
    stop.disabled = true;
  });
}

async function ask(form, lane, signal) {
  const answer = lane.querySelector("[data-answer]");
  const facts = lane.querySelector("[data-facts]");
  answer.textContent = "";
  facts.replaceChildren("asking");
  const body = new URLSearchParams(new FormData(form));
  body.set("model", lane.querySelector("[data-model]").value);
  const began = performance.now();
  let first = 0;
  try {
    const response = await fetch(form.dataset.playground, { method: "POST", body, signal });
    if (!response.ok) throw new Error(new DOMParser().parseFromString(await response.text(), "text/html").querySelector(".fault")?.textContent ?? response.statusText);
    let usage = null;
    let id = "";
    for await (const line of lines(response.body)) {
      if (line.startsWith(": ")) id = line.slice(2);
      else if (line.startsWith("{")) throw new Error(JSON.parse(line).error?.message ?? line);
      else if (line.startsWith("data: ") && line !== "data: [DONE]") {
        const chunk = JSON.parse(line.slice(6));
        if (chunk.error) throw new Error(chunk.error.message);
        const text = chunk.choices?.[0]?.delta?.content;
        if (text) {
          first ||= performance.now() - began;
          answer.append(text);
        }
        usage = chunk.usage ?? usage;
      }
    }
    const told = [`first token ${Math.round(first)} ms`, `in all ${Math.round(performance.now() - began)} ms`];
    if (usage) told.push(`${usage.prompt_tokens} in, ${usage.completion_tokens} out`);
    facts.replaceChildren(told.join(" · "));
    if (id) {
      const link = document.createElement("a");
      link.href = `/dashboard/requests/${encodeURIComponent(id)}`;
      link.textContent = "what it cost";
      facts.append(" · ", link);
    }
  } catch (error) {
    facts.replaceChildren(signal.aborted ? "stopped" : error.message);
  }
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n");
    rest = done ? "" : parts.pop();
    yield* parts.filter(Boolean);
    if (done) return;
  }
}
