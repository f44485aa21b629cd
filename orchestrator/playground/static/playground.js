// Makes the playground quicker to use. Everything works without it, because the page is an ordinary form.
"use strict";

const root = document.documentElement;
const remembered = (() => {
  try { return localStorage.getItem("theme"); } catch { return null; }
})();
if (remembered === "light" || remembered === "dark") root.dataset.theme = remembered; // before the page is drawn

document.addEventListener("DOMContentLoaded", () => {
  themes();
  document.querySelectorAll("input[data-find], input[data-list]").forEach(combobox);
  document.querySelectorAll("form.question").forEach(waiting);
  document.querySelectorAll("button.copy").forEach(copying);
  document.querySelectorAll("figure.graph").forEach(graph);
});

function themes() {
  const box = document.querySelector(".theme");
  box.hidden = false;
  const chosen = box.querySelector(`[value="${root.dataset.theme || "auto"}"]`);
  chosen.checked = true;
  box.addEventListener("change", (event) => {
    const theme = event.target.value;
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* it lasts as long as the page */ }
  });
}

// A combobox as WAI-ARIA describes it: a text field with a list to choose from; the focus stays in the field.
function combobox(input) {
  const list = document.createElement("ul");
  const status = document.createElement("span");
  const offered = [...(document.getElementById(input.dataset.list)?.options || [])]
    .map((option) => ({ value: option.value, name: option.value, note: option.label }));
  let active = -1, found = [], timer = 0, asked = null;

  list.id = `${input.id}-found`;
  list.className = "found";
  list.setAttribute("role", "listbox");
  list.hidden = true;
  list.setAttribute("aria-label", input.labels[0].textContent);
  status.setAttribute("role", "status");
  status.className = "skip";
  input.removeAttribute("list");
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  input.after(list, status);

  // The field shows a name; the form sends the id that was chosen.
  let sent = null;
  if (input.id === "target") {
    sent = document.createElement("input");
    sent.type = "hidden";
    sent.name = input.name;
    sent.value = input.value;
    input.removeAttribute("name");
    input.after(sent);
    if (input.dataset.name) input.value = input.dataset.name;
  }

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function say(words) {
    list.replaceChildren();
    const line = list.appendChild(document.createElement("li"));
    line.className = "says";
    line.textContent = words;
    status.textContent = words;
    found = [];
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = false;
  }

  function show(options) {
    found = options;
    active = -1;
    list.replaceChildren(...options.map((option, number) => {
      const line = document.createElement("li");
      line.id = `${list.id}-${number}`;
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", "false");
      const name = line.appendChild(document.createElement("span"));
      name.textContent = option.name;
      name.dir = "auto";
      const note = [option.note, option.name === option.value ? "" : option.value].filter(Boolean).join(" · ");
      if (note) line.appendChild(document.createElement("small")).textContent = note;
      line.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the field
      line.addEventListener("click", () => choose(number));
      return line;
    }));
    status.textContent = options.length === 1 ? "1 suggestion" : `${options.length} suggestions`;
    input.removeAttribute("aria-activedescendant");
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  }

  function move(to) {
    if (!found.length) return;
    active = (to + found.length) % found.length;
    [...list.children].forEach((line, number) => line.setAttribute("aria-selected", String(number === active)));
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[active].id);
  }

  function choose(number) {
    input.value = found[number].name;
    if (sent) sent.value = found[number].value;
    close();
    input.dispatchEvent(new Event("chosen"));
  }

  async function find() {
    const typed = input.value.trim();
    if (input.dataset.list) {
      return show(offered.filter((option) => option.value.startsWith(typed)));
    }
    const of = input.dataset.of && document.getElementById(input.dataset.of).value.trim();
    if (input.dataset.of ? !/^-?\d+$|^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(of) : typed.length < 2 && !/^\d+$/.test(typed)) return close();
    asked?.abort();
    const mine = asked = new AbortController();
    const url = `${input.dataset.find}?${input.dataset.of ? `collection=${encodeURIComponent(of)}` : `q=${encodeURIComponent(typed)}`}`;
    try {
      const answer = await fetch(url, { signal: mine.signal });
      const reply = await answer.json();
      if (mine !== asked || document.activeElement !== input) return;
      if (reply.error) return say(reply.error);
      const options = input.dataset.of ? reply.found.filter((option) => option.value.startsWith(typed)) : reply.found;
      if (options.length) show(options);
      else if (reply.found.length) close();
      else say(input.dataset.empty);
    } catch (error) {
      if (error.name !== "AbortError") say("The playground does not answer.");
    }
  }

  input.addEventListener("input", () => {
    if (sent) sent.value = input.value;
    clearTimeout(timer);
    timer = setTimeout(find, input.dataset.find ? 180 : 0);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) find(); else move(active + (event.key === "ArrowDown" ? 1 : active < 0 ? 0 : -1));
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Tab" && !list.hidden && active >= 0) {
      choose(active);
    }
  });
  input.addEventListener("click", () => { if (list.hidden && (input.dataset.list || input.dataset.of)) find(); });
  input.addEventListener("blur", () => { clearTimeout(timer); asked?.abort(); close(); });
  if (sent) input.addEventListener("focus", () => input.select());
}

function waiting(form) {
  const line = form.querySelector(".waiting");
  const button = form.querySelector("button[type=submit]");
  let timer = 0;
  form.addEventListener("submit", () => {
    const begun = Date.now();
    line.hidden = false;
    button.disabled = true;
    form.setAttribute("aria-busy", "true");
    timer = setInterval(() => { line.lastElementChild.textContent = `${Math.round((Date.now() - begun) / 1000)} s`; }, 1000);
  });
  addEventListener("pageshow", () => { // after the back button, the page is as it was before
    clearInterval(timer);
    line.hidden = true;
    button.disabled = false;
    form.removeAttribute("aria-busy");
  });
}

function copying(button) {
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch { // browsers allow the clipboard only on local pages
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = button.dataset.copy;
      area.select();
      done = document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Not allowed";
    button.setAttribute("aria-live", "polite");
    button.classList.toggle("done", done);
    setTimeout(() => { button.textContent = words; button.classList.remove("done"); }, 1600);
  });
}

// The graph is one stop for Tab; arrow keys go from edge to edge. Pointing at a card shows its path.
function graph(figure) {
  const ties = [...figure.querySelectorAll(".tie")];
  ties.slice(1).forEach((tie) => tie.setAttribute("tabindex", "-1"));
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const here = ties.indexOf(document.activeElement);
    if (!step || here < 0) return;
    event.preventDefault();
    const next = ties[(here + step + ties.length) % ties.length];
    ties[here].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  const parts = [...figure.querySelectorAll("[data-paths]")].map((part) => [part, part.dataset.paths.split(" ")]);
  const light = (path) => {
    const some = path !== null && parts.some(([, paths]) => paths.includes(path));
    figure.classList.toggle("chosen", some);
    parts.forEach(([part, paths]) => part.classList.toggle("on", some && paths.includes(path)));
  };
  document.querySelectorAll(".card").forEach((card) => {
    card.addEventListener("mouseenter", () => light(card.dataset.path));
    card.addEventListener("mouseleave", () => light(null));
    card.addEventListener("focusin", () => light(card.dataset.path));
    card.addEventListener("focusout", () => light(null));
  });
}
