import { logarithmic } from "./choices.js";
import { fetched, first, follow } from "./live.js";
import { Steps } from "./steps.js";

const studies = [...document.querySelectorAll("#studies [data-study]")], by = document.getElementById("by");
document.getElementById("best-section").hidden = false;
const picture = new Steps(document.getElementById("best"), "Step chart of the best value so far of each study.");
logarithmic(picture, [document.getElementById("best-log")], [], log => picture.show(picture.found, by.value, log[0]));
by.addEventListener("change", () => picture.show(picture.found, by.value));
await first(show);
document.documentElement.dataset.ready = "1";
follow(show);

async function show() {
  picture.show(await Promise.all(studies.map(async study => (
    { name: study.textContent, ...await (await fetched(`${study.dataset.study}/best`)).json() }
  ))), by.value);
}
