
"use strict";
(() => {
  const at = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const search = at("#search"), found = at("#found"), overview = at("#overview");
  const rows = all("#list li").map((item) => ({ item, link: at("a", item) }));
  const target = (link) => document.getElementById(link.getAttribute("href").slice(1));

  // What there is to find is read from the page once, when somebody begins to search.
  let texts = null;
  const index = () => texts ??= rows.map(({ item, link }) => {
    const section = target(link);
    const parts = [{ what: "", text: at("h3 a", section).textContent }];
    for (const row of all(".columns tbody tr", section)) parts.push({ what: "column", text: at(".n", row).textContent });
    for (const cell of all(".c", section)) if (cell.textContent) parts.push({ what: "comment", text: cell.textContent });
    return { item, parts: parts.map((part) => ({ ...part, low: part.text.toLowerCase() })) };
  });

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { item, parts } of index()) {
      const hits = words.map((word) => parts.find((part) => part.low.includes(word)));
      item.hidden = hits.includes(undefined);
      at("small", item)?.remove();
      if (item.hidden) continue;
      count += 1;
      // Why it is in the list, where its name does not say so.
      const hit = hits.find((part) => part.what);
      if (hit) {
        const why = document.createElement("small");
        const text = hit.text.length > 80 ? hit.text.slice(0, 79) + "…" : hit.text;
        why.textContent = hit.what + ": " + text;
        item.append(why);
      }
    }
    for (const head of all("#list h2")) head.hidden = !all("li", head.nextElementSibling).some((item) => !item.hidden);
    found.textContent = words.length ? `${count} of ${rows.length}` : "";
  };

  const shown = () => rows.filter(({ item }) => !item.hidden).map(({ link }) => link);
  const keys = (event) => {
    const typing = event.target.closest?.("input, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.target === search && event.key === "Escape") {
      search.value = "";
      filter();
    } else if (event.target === search && (event.key === "ArrowDown" || event.key === "Enter")) {
      const first = shown()[0];
      if (!first) return;
      event.preventDefault();
      if (event.key === "Enter") first.click(); else first.focus();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest?.("#list")) {
      event.preventDefault();
      const links = shown(), next = links.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? search : links[Math.min(next, links.length - 1)]).focus();
    }
  };

  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const clip = (text, length) => [...text].length > length ? [...text].slice(0, length - 1).join("") + "…" : text;
  const wide = (text) => [...text].reduce((sum, c) => sum + (c.codePointAt(0) >= 0x1100 ? 2 : 1), 0) * 7.3;

  // A box at a place; `columns` are drawn below its name.
  const box = (name, href, x, y, width, columns) => {
    const height = 28 + (columns.length ? columns.length * 18 + 8 : 0);
    const parts = [svg("rect", { class: "box", x, y, width, height, rx: 5 }), svg("text", { class: "title", x: x + 10, y: y + 19 }, name)];
    columns.forEach(({ name, type, mark }, row) => {
      const base = y + 44 + row * 18;
      parts.push(svg("text", { class: "mark " + mark.toLowerCase(), x: x + 10, y: base }, mark),
        svg("text", { x: x + 32, y: base }, name), svg("text", { class: "type", x: x + width - 10, y: base, "text-anchor": "end" }, type));
    });
    return href ? svg("a", { class: "node", href }, ...parts) : svg("g", { class: "node chosen" }, ...parts);
  };

  const columnsOf = (section) => {
    const columns = all(".columns tbody tr", section).map((row) => ({
      name: clip(at(".n", row).textContent, 26), type: clip(at(".type", row).textContent, 24), mark: at("abbr", row)?.textContent ?? "",
    }));
    if (columns.length <= 16) return columns;
    const more = columns.length - 15;
    return [...columns.slice(0, 15), { name: `+ ${more} more`, type: "", mark: "" }];
  };

  // The tables around one: what it refers to at the left, what refers to it at the right.
  const most = 24;
  const neighbourhood = (section) => {
    const links = (side) => all(`.links.${side} li`, section).map((item) => ({
      name: clip(item.firstElementChild.textContent, 36), href: item.firstElementChild.getAttribute("href"),
      by: clip(at(".by", item).textContent, 30), parents: item.dataset.parents, children: item.dataset.children,
    }));
    const own = "#" + section.id;
    const left = links("out"), right = links("in").filter((link) => link.href !== own);
    if (!left.length && !right.length) return null;
    const columns = columnsOf(section), name = clip(at("h3 a", section).textContent, 44);
    const width = Math.max(wide(name) + 20, ...columns.map((column) => wide(column.name) + wide(column.type) + 60));
    const sides = [left.slice(0, most), right.slice(0, most)];
    const widths = sides.map((side) => Math.max(0, ...side.map((link) => wide(link.name) + 20)));
    const gaps = sides.map((side) => side.length ? Math.max(110, ...side.map((link) => wide(link.by) + 40)) : 0);
    const tall = 28 + (columns.length ? columns.length * 18 + 8 : 0);
    const height = Math.max(tall, ...sides.map((side) => side.length * 46 - 18)) + 20;
    const x = 10 + widths[0] + gaps[0], y = (height - tall) / 2, total = x + width + gaps[1] + widths[1] + 10;
    const made = svg("svg", { width: total, height, viewBox: `0 0 ${total} ${height}`, role: "group", "aria-label": "Neighbours of " + name });
    const boxes = [box(name, null, x, y, width, columns)];
    sides.forEach((side, place) => side.forEach((link, row) => {
      const top = (height - (side.length * 46 - 18)) / 2 + row * 46, mid = top + 14;
      const from = place ? x + width : x, to = place ? from + gaps[1] : 10 + widths[0], bend = (to - from) / 2;
      const inner = y + Math.min(tall - 10, Math.max(14, (row + 1) * tall / (side.length + 1)));
      const start = place ? link.parents : link.children, end = place ? link.children : link.parents;
      made.append(svg("path", { class: "edge", d: `M${from} ${inner}C${from + bend} ${inner} ${to - bend} ${mid} ${to} ${mid}`,
        "marker-start": `url(#${start})`, "marker-end": `url(#${end})` }));
      boxes.push(box(link.name, link.href, place ? to : 10 + widths[0] - (wide(link.name) + 20), top, wide(link.name) + 20, []));
      boxes.push(svg("text", { class: "by", x: place ? to - 28 : to + 28, y: mid - 6, "text-anchor": place ? "end" : "start" }, link.by));
    }));
    made.append(...boxes);
    const figure = document.createElement("figure"), frame = document.createElement("div"), caption = document.createElement("figcaption");
    frame.className = "drawing";
    frame.append(made);
    const cut = [left, right].reduce((sum, side) => sum + Math.max(0, side.length - most), 0);
    caption.textContent = "What it refers to is at the left, what refers to it at the right." + (cut ? ` ${cut} more are listed below.` : "");
    figure.append(frame, caption);
    return figure;
  };

  const choose = () => {
    const id = location.hash.slice(1);
    const section = id ? document.getElementById(id) : null;
    const chosen = section?.classList.contains("object") ? section : null;
    for (const { link } of rows) {
      if (chosen && link.getAttribute("href") === "#" + id) {
        link.setAttribute("aria-current", "true");
        link.scrollIntoView({ block: "nearest" });
      } else link.removeAttribute("aria-current");
    }
    for (const figure of all(".object > figure")) figure.remove();
    overview?.classList.toggle("choosing", !!chosen);
    if (overview) {
      const near = new Set();
      for (const edge of all(".edge", overview)) {
        const { a, b } = edge.dataset, touches = !!chosen && (a === id || b === id);
        edge.classList.toggle("near", touches);
        if (touches) near.add("#" + a).add("#" + b);
      }
      for (const node of all(".node", overview)) {
        const href = node.getAttribute("href");
        node.classList.toggle("chosen", !!chosen && href === "#" + id);
        node.classList.toggle("near", near.has(href));
      }
    }
    if (!chosen) return;
    const figure = neighbourhood(chosen);
    if (figure) (at(".wide, h4, .parts", chosen) ?? chosen.lastElementChild).before(figure);
    chosen.scrollIntoView({ block: "start", behavior: "instant" });
  };

  const zoom = () => {
    if (!overview) return;
    const button = document.createElement("button"), item = document.createElement("li");
    const label = () => button.textContent = overview.classList.contains("fit") ? "Actual size" : "Fit to width";
    button.type = "button";
    button.addEventListener("click", () => { overview.classList.toggle("fit"); label(); });
    label();
    item.append(button);
    at(".legend").append(item);
  };

  search.addEventListener("input", filter);
  document.addEventListener("keydown", keys);
  addEventListener("hashchange", choose);
  zoom();
  if (search.value) filter();
  choose();
})();
