// News from the server: the parts of the page that it marks are replaced by their present form.

export async function fetched(address, options = {}) {
  const answer = await fetch(address, { headers: { Accept: "text/html, */*" }, ...options }).catch(() => { throw new Refused(); });
  if (!answer.ok) throw new Refused(reason(await answer.text()));
  return answer;
}

// The server has not sent what was asked for; without a text, it has not answered.
class Refused extends Error {}

function reason(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  return (page.querySelector("main section") ?? page.body).textContent.trim();
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
const SILENT = 60000; // milliseconds without an event, of which the server sends one every 15 s or so, until it counts as missing
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

// The first data of a page's pictures, asked for until there is an answer.
export async function first(ask) {
  for (;;) {
    try {
      const found = await ask();
      note("old", "");
      return found;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      old(error);
      await new Promise(done => { setTimeout(done, RETRY); });
    }
  }
}

export function follow(refresh = () => {}) {
  const { events, mark } = document.querySelector("[data-events]").dataset;
  let known = mark, busy = false, more = false, retry = 0;
  const update = async () => {
    if (busy) { more = true; return; }
    busy = true;
    try {
      do {
        more = false;
        await swap();
        await refresh();
      } while (more);
      note("old", "");
    } catch (error) {
      old(error);
      // There may be no further event: the study may have ended. One retry waits, however many updates fail.
      clearTimeout(retry);
      retry = setTimeout(update, RETRY);
    } finally { busy = false; }
  };
  let source = null, answered = new Date(), timer = 0;
  const missing = () => note("missing", `The server has not answered since ${answered.toLocaleTimeString()}. The page shows the state of that time, and updates when the server answers again.`);
  const present = () => {
    answered = new Date();
    note("missing", "");
    watch();
  };
  const refused = () => source.readyState === EventSource.CLOSED;
  // Where a network is lost, or the server hangs, the connection stays open; a proxy's error ends it for good.
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (!refused()) missing(); source.close(); listen(); }, SILENT);
  };
  const listen = () => {
    // A browser opens six connections to a server at most: a hidden tab needs none.
    if (document.hidden) { source?.close(); clearTimeout(timer); }
    if (document.hidden || source?.readyState < EventSource.CLOSED) return;
    source = new EventSource(events);
    watch();
    source.addEventListener("open", present);
    source.addEventListener("here", present);
    // What the server refuses for good, such as the events of a deleted study, the page itself explains.
    source.addEventListener("error", () => refused() ? update() : missing());
    source.addEventListener("message", event => {
      present();
      if (event.data === known) return;
      known = event.data;
      update();
    });
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

// Says that the page shows an earlier state because the server refuses its present one: the study may be deleted.
function old(error) {
  if (error instanceof Refused && error.message) note("old", `This page cannot be updated, and shows an earlier state: ${error.message}`);
}

// A sentence above the page, one of each kind; none if it is empty.
function note(kind, text) {
  let place = document.getElementById(kind);
  if (!place) {
    place = document.createElement("p");
    [place.id, place.className] = [kind, "warning words"];
    place.setAttribute("role", "status");
    document.querySelector("main").prepend(place);
  }
  place.hidden = !text;
  if (place.textContent !== text) place.textContent = text;
}
