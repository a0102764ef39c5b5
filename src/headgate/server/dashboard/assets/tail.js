// Puts calls into the table as they end. Rows come from the server, where everything in them has been escaped.
const ROWS_MAX = 300;

export function followTail() {
  const body = document.querySelector("[data-tail]");
  if (!body) return;
  const state = document.querySelector("[data-tail-state]");
  const button = document.querySelector("[data-tail-pause]");
  let paused = [];
  let isPaused = false;
  const source = new EventSource(body.dataset.tail);
  source.onopen = () => (state.textContent = "live");
  source.onerror = () => (state.textContent = "connecting again");
  source.onmessage = (event) => (isPaused ? paused.push(event.data) : show(event.data));

  function show(rows) {
    const page = new DOMParser().parseFromString(`<table><tbody>${rows}</tbody></table>`, "text/html");
    body.prepend(...page.querySelectorAll("tr"));
    while (body.rows.length > ROWS_MAX) body.lastElementChild.remove();
  }

  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.setAttribute("aria-pressed", String(isPaused));
    button.textContent = isPaused ? "Go on" : "Pause";
    state.textContent = isPaused ? "paused" : "live";
    if (!isPaused) paused.splice(0).forEach(show);
    paused = paused.slice(-ROWS_MAX);
  });
}
