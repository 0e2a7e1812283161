"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const details = read("details"), sources = read("sources"), looks = read("looks");
  const tree = document.getElementById("tree"), panel = document.getElementById("panel");
  const search = document.getElementById("search"), opener = document.getElementById("opener");
  const rows = [...tree.querySelectorAll(".row")];
  const chips = [...document.querySelectorAll(".chip")];

  // what the search looks in, once per call
  const haystacks = rows.map((row) => {
    const d = details[row.dataset.number];
    const tensors = [...d.inputs, ...d.outputs].map((t) => `${t.shape} ${t.what} ${t.layout}`);
    const places = d.places.map((p) => `${p.text} ${p.line}`);
    return [d.name, d.path, d.message, ...d.marks.map((m) => m.word), ...tensors, ...places].join("\n").toLowerCase();
  });

  // Elements are built from text only: nothing that a model's names or sources hold is taken for HTML.
  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(chips.filter((c) => c.getAttribute("aria-pressed") === "true").map((c) => c.dataset.status));
    const active = words.length > 0 || wanted.size > 0;
    let any = false;
    for (const item of tree.querySelectorAll("li")) item.hidden = active;
    rows.forEach((row, index) => {
      const hit = words.every((word) => haystacks[index].includes(word)) && (!wanted.size || wanted.has(row.dataset.status));
      row.classList.toggle("hit", active && hit);
      if (!active || !hit) return;
      any = true;
      for (let item = row.closest("li"); item; item = item.parentElement.closest("li")) {
        item.hidden = false;
        const holder = item.querySelector(":scope > details");
        if (holder && item !== row.closest("li")) holder.open = true;
      }
    });
    document.getElementById("nothing").hidden = !active || any;
  }

  function choose(row) {
    tree.querySelector(".row.chosen")?.classList.remove("chosen");
    row.classList.add("chosen");
    panel.replaceChildren(...describe(details[row.dataset.number]));
    panel.scrollTop = 0;
  }

  function describe(d) {
    const look = looks[d.status];
    const parts = [element("h2", { textContent: d.name })];
    if (d.path) parts.push(element("p", { className: "hint", textContent: `in ${d.path}` }));
    if (d.covered) parts.push(element("p", { textContent: "inside a call that is converted as a whole" }));
    else parts.push(element("p", { textContent: `${look.symbol} ${look.word}${d.error ? `, error ${d.error}` : ""}` }));
    if (d.message) parts.push(element("p", { className: "message", textContent: d.message }));
    for (const mark of d.marks) parts.push(element("p", { textContent: `${mark.word}: ${mark.meaning}` }));
    if (d.read) parts.push(element("h3", { textContent: "value that Python read" }), element("pre", { textContent: d.read }));
    if (d.arguments) parts.push(element("h3", { textContent: "arguments" }), element("pre", { textContent: d.arguments }));
    parts.push(...tensors("inputs", d.inputs), ...tensors("outputs", d.outputs));
    for (const place of d.places) {
      const where = place.vscode
        ? element("p", {}, element("a", { href: place.file, textContent: place.text }), " ",
            element("a", { href: place.vscode, textContent: "VS Code" }))
        : element("p", { textContent: place.text });
      const code = place.line ? element("pre", { textContent: place.line }) : null;
      parts.push(element("div", { className: "place" }, element("h3", { textContent: place.what.toLowerCase() }), where, code));
    }
    if (d.source) {
      // closed: hundreds of calls share a converter, and most are looked at for something else
      const head = d.strategy ? `show the converter (${d.strategy})` : "show the converter";
      parts.push(element("details", {}, element("summary", { textContent: head }), element("pre", { textContent: sources[d.source] })));
    }
    return parts;
  }

  function tensors(title, list) {
    if (!list.length) return [];
    const lines = list.map((t) => {
      const layout = t.transposed ? `${t.transposed} → ${t.layout}` : t.layout;
      const note = [t.what, t.transposed ? "transposed" : ""].filter(Boolean).join(", ");
      return element("tr", {}, element("td", { textContent: t.shape }), element("td", { textContent: layout }),
        element("td", { className: "note", textContent: note }));
    });
    return [element("h3", { textContent: title }), element("table", {}, ...lines)];
  }

  tree.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.target.closest("a")) return;
    // a click on the row chooses it; the triangle before it folds
    event.preventDefault();
    choose(row);
  });
  tree.addEventListener("keydown", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.target.closest("a")) return;
    const holder = row.closest("summary")?.parentElement;
    const shown = rows.filter((each) => each.checkVisibility());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") choose(row);
    else if (event.key === " " && holder) holder.open = !holder.open;
    else if (event.key === "ArrowRight" && holder) holder.open = true;
    else if (event.key === "ArrowLeft" && holder) holder.open = false;
    else if (step) {
      const next = shown[shown.indexOf(row) + step];
      if (next) { next.focus(); choose(next); }
    } else return;
    event.preventDefault();
  });
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter();
    });
  }
  search.addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === search) return;
    event.preventDefault();
    search.focus();
  });
  const foldAll = (open) => { for (const holder of tree.querySelectorAll("details")) holder.open = open; };
  document.getElementById("unfold").addEventListener("click", () => foldAll(true));
  document.getElementById("fold").addEventListener("click", () => foldAll(false));
  opener.addEventListener("change", () => {
    for (const link of tree.querySelectorAll(".links a")) link.href = link.dataset[opener.value];
  });
  function goTo() {
    const row = /^#call-\d+$/.test(location.hash) ? document.getElementById(location.hash.slice(1)) : null;
    if (!row) return;
    for (let item = row.closest("details"); item; item = item.parentElement.closest("details")) item.open = true;
    row.scrollIntoView({ block: "nearest" });
    choose(row);
  }
  addEventListener("hashchange", goTo);
  goTo();
})();
