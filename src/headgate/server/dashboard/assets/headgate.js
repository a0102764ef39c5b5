// What pages do beyond showing: charts, the drawer with one call, the menu of small screens. All text goes in as text.
import { drawCharts } from "./charts.js";
import { openPlayground } from "./playground.js";
import { followTail } from "./tail.js";

const wide = window.matchMedia("(min-width: 48.01rem)");
const menu = document.querySelector("[data-menu]");
function fitMenu() {
  if (menu) menu.open = wide.matches;
}
wide.addEventListener("change", fitMenu);
fitMenu();
drawCharts();
followTail();
openPlayground();

// The drawer: a link with data-drawer shows its page's main part beside the list, and stays a link without this script.
const drawer = document.getElementById("drawer");
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-drawer]");
  if (!link || !drawer || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
  if (answer.redirected || !answer.ok) {
    location.href = link.href;
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  drawer.querySelector("[data-drawer-body]").replaceChildren(...page.body.childNodes);
  drawer.returnFocus = link;
  if (!drawer.open) drawer.showModal();
});
if (drawer) {
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer || event.target.closest("[data-close]")) drawer.close();
  });
  drawer.addEventListener("close", () => drawer.returnFocus?.focus());
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  const said = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = said), 1500);
});
