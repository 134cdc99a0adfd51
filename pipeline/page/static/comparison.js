import { fetched } from "./live.js";
import { Steps } from "./steps.js";

const studies = [...document.querySelectorAll("#studies [data-study]")], by = document.getElementById("by");
document.getElementById("best-section").hidden = false;
const picture = new Steps(document.getElementById("best"), "Step chart of the best value so far of each study.");
const found = await Promise.all(studies.map(async (study, place) => {
  study.className = `line${place}`;
  return { name: study.textContent, ...await (await fetched(`${study.dataset.study}/best`)).json() };
}));
by.addEventListener("change", () => picture.show(found, by.value));
picture.show(found, by.value);
document.documentElement.dataset.ready = "1";
