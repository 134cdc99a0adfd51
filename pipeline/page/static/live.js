// News from the server: the parts of the page that it marks are replaced by their present form.

export async function fetched(address, options = {}) {
  const answer = await fetch(address, { headers: { Accept: "text/html, */*" }, ...options });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

export async function swap(address = location.href, options = {}) {
  const text = await (await fetched(address, options)).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    if (old && !old.isEqualNode(fresh)) replace(old, fresh);
  }
}

const RETRY = 3000; // milliseconds after which an update that failed is tried again
const SCROLLED = ".scroll, pre";
const atEnd = one => one.scrollTop > 0 && one.scrollTop + one.clientHeight >= one.scrollHeight - 2;

// What the reader has done to a part outlives its replacement: scrolling, ticks, opened details, the focus.
function replace(old, fresh) {
  const scrolled = [...old.querySelectorAll(SCROLLED)].map(one => [one.scrollLeft, one.scrollTop, atEnd(one)]);
  const ticked = new Set([...old.querySelectorAll("input:checked")].map(one => one.value));
  const opened = [...old.querySelectorAll("details")].map(one => one.open);
  const all = part => [...part.querySelectorAll("a, button, input, [tabindex]")];
  const focus = all(old).indexOf(document.activeElement);
  old.replaceWith(fresh);
  fresh.querySelectorAll(SCROLLED).forEach((one, at) => {
    if (!scrolled[at]) return;
    const [left, top, end] = scrolled[at];
    // Who has scrolled a log to its end reads what is added.
    [one.scrollLeft, one.scrollTop] = [left, end ? one.scrollHeight : top];
  });
  fresh.querySelectorAll("input[type=checkbox]").forEach(one => { one.checked = ticked.has(one.value); });
  fresh.querySelectorAll("details").forEach((one, at) => { if (opened[at] !== undefined) one.open = opened[at]; });
  if (focus >= 0) all(fresh)[focus]?.focus({ preventScroll: true });
}

export function follow(refresh = () => {}) {
  const { events, mark } = document.querySelector("[data-events]").dataset;
  let known = mark, busy = false, more = false;
  const update = async () => {
    if (busy) { more = true; return; }
    busy = true;
    try {
      do {
        more = false;
        await swap();
        await refresh();
      } while (more);
    } catch {
      // There may be no further event: the study may have ended.
      setTimeout(update, RETRY);
    } finally { busy = false; }
  };
  let source = null;
  const listen = () => {
    // A browser opens six connections to a server at most: a hidden tab needs none.
    if (document.hidden) source?.close();
    if (document.hidden || source?.readyState < EventSource.CLOSED) return;
    source = new EventSource(events);
    source.addEventListener("open", () => missing(false));
    source.addEventListener("error", () => missing(true));
    source.addEventListener("message", event => {
      if (event.data === known) return;
      known = event.data;
      update();
    });
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

// Says whether the server is missing: what the page shows is then of an earlier time.
function missing(whether) {
  let note = document.getElementById("missing");
  if (!note) {
    note = document.createElement("p");
    [note.id, note.className] = ["missing", "warning"];
    note.setAttribute("role", "status");
    document.querySelector("main").prepend(note);
  }
  note.hidden = !whether;
  if (whether && !note.textContent) note.textContent = `The server has not answered since ${new Date().toLocaleTimeString()}. The page shows the state of that time, and updates when the server answers again.`;
  if (!whether) note.textContent = "";
}
