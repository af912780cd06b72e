"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const checks = all("details.check");
  const form = document.getElementById("filters");

  const texts = new Map();
  const textOf = (check) => {
    if (!texts.has(check)) texts.set(check, check.textContent.toLowerCase());
    return texts.get(check);
  };

  const apply = () => {
    const data = new FormData(form);
    const verdicts = new Set(data.getAll("verdict"));
    const text = data.get("text").trim().toLowerCase();
    let shown = 0;
    for (const check of checks) {
      const { verdict, flow, level } = check.dataset;
      const fits =
        verdicts.has(verdict) &&
        (!data.get("flow") || data.get("flow") === flow) &&
        (!data.get("level") || data.get("level") === level) &&
        (!text || textOf(check).includes(text));
      check.hidden = !fits;
      shown += fits;
    }
    for (const group of [...all("details.scenario"), ...all("section.flow")]) {
      group.hidden = !group.querySelector("details.check:not([hidden])");
    }
    document.getElementById("shown").textContent = `${shown} of ${checks.length} checks`;
  };

  if (form) {
    form.hidden = false;
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    document.getElementById("troubles").addEventListener("click", () => {
      const fine = ["pass", "info", "na", "excluded", "known"];
      for (const box of all("input[name=verdict]", form)) box.checked = !fine.includes(box.value);
      apply();
    });
    apply();
  }

  // A link into something that is folded opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
      node.hidden = false;
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  const bytesOf = (pre) => {
    const head = new TextEncoder().encode(pre.firstElementChild.textContent.replace(/\n/g, "\r\n"));
    const body =
      "body" in pre.dataset
        ? Uint8Array.from(atob(pre.dataset.body), (c) => c.charCodeAt(0))
        : new TextEncoder().encode(pre.textContent.slice(pre.firstElementChild.textContent.length));
    return [...head, ...body];
  };
  const dump = (bytes) => {
    const lines = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const chunk = bytes.slice(at, at + 16);
      const pairs = chunk.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const text = chunk.map((byte) => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
      lines.push(`${at.toString(16).padStart(4, "0")}  ${pairs.padEnd(47)}  ${text}`);
    }
    return lines.join("\n");
  };
  for (const button of all("button.hex")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const pre = button.closest("figure").querySelector("pre");
      const shown = pre.nextElementSibling;
      if (shown && shown.classList.contains("dump")) {
        shown.remove();
        pre.hidden = false;
        button.textContent = "hex";
        return;
      }
      const hex = document.createElement("pre");
      hex.className = "dump";
      hex.textContent = dump(bytesOf(pre));
      pre.after(hex);
      pre.hidden = true;
      button.textContent = "text";
    });
  }

  for (const field of all("input[data-rows]")) {
    field.hidden = false;
    const rows = all(`#${field.dataset.rows} tbody tr`);
    field.addEventListener("input", () => {
      const text = field.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
    });
  }

  addEventListener("beforeprint", () => {
    for (const check of checks) {
      if (!["pass", "info", "na", "excluded"].includes(check.dataset.verdict)) check.open = true;
    }
  });
})();
