"use strict";
// Looks for pages that have all words that were typed; those that have them in their title come first.
const MOST = 40;
const box = document.getElementById("search");
const found = document.getElementById("found");
const contents = document.getElementById("contents");
const root = document.body.dataset.root;
const texts = PAGES.map(([title, url, words]) => [title.toLowerCase(), `${title} ${url} ${words}`.toLowerCase()]);

function search() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.replaceChildren();
  contents.hidden = words.length > 0;
  if (!words.length) return;
  const hits = [];
  texts.forEach(([title, all], place) => {
    if (words.every((word) => all.includes(word))) {
      hits.push([words.filter((word) => title.includes(word)).length, place]);
    }
  });
  hits.sort((one, other) => other[0] - one[0] || one[1] - other[1]);
  for (const [, place] of hits.slice(0, MOST)) {
    const [title, url] = PAGES[place];
    const link = document.createElement("a");
    link.href = root + url;
    link.textContent = title;
    const where = document.createElement("small");
    where.textContent = url;
    const line = document.createElement("li");
    line.append(link, where);
    found.append(line);
  }
  if (!hits.length) found.textContent = "No page has all of these words.";
}

box.addEventListener("input", search);
