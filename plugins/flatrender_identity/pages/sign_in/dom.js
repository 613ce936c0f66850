// Elements, forms and what is said aloud. Text is text: nothing here takes HTML.
import { Problem } from "./api.js";
import { t } from "./words.js";

let made = 0;

/** Make an element: properties that begin with "on" listen, the rest are attributes. */
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Show a view and take the keyboard to its heading. */
export function show(...nodes) {
  const view = document.getElementById("view");
  view.replaceChildren(...nodes);
  const heading = view.querySelector("h1");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus();
    document.title = `${heading.textContent} · FlatRender`;
  }
}

/** Say something that went well; read aloud politely. */
export function say(words) {
  document.getElementById("status").textContent = words || "";
}

export const button = (words, onclick, looks = "") => h("button", { type: "button", class: looks, onclick }, words);

/** A button that acts once at a time and tells a refusal beside itself. */
export function actor(words, act, looks = "", about = "") {
  const told = h("span", { role: "alert", class: "error" });
  const pressed = button(words, async () => {
    if (pressed.getAttribute("aria-disabled")) return;
    pressed.setAttribute("aria-disabled", "true");
    told.textContent = "";
    say("");
    try {
      await act();
    } catch (problem) {
      told.textContent = sentence(problem);
    } finally {
      pressed.removeAttribute("aria-disabled");
    }
  }, looks);
  // Several rows have the same words on their buttons: heard, each says what it is about.
  if (about) pressed.setAttribute("aria-label", `${words}: ${about}`);
  return h("span", { class: "actor" }, pressed, told);
}

/** Return a refusal in words; a fault of our own is thrown on. */
export function sentence(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const fault = problem.errors[0];
  return [problem.title, problem.detail || (fault && fault.detail)].filter(Boolean).join(". ");
}

/** A box to tick, with its label and what it means; `ticked()` says whether it is. */
export function box(words, hint, checked = false) {
  const id = `f${(made += 1)}`;
  const input = h("input", { id, type: "checkbox", checked, "aria-describedby": `${id}-h` });
  const node = h("div", { class: "tick" }, input, h("label", { for: id }, words),
    h("p", { id: `${id}-h`, class: "hint" }, hint));
  return { node, ticked: () => input.checked };
}

/**
 * Make a form. `fields` are `{name, label, type, hint, autocomplete, ltr, at}`: `at` lists the JSON
 * Pointers whose faults belong to the field (its own name, unless told), `codes` the problem codes.
 * `more` stands between them and the button. `act` gets the values; what it throws is shown at the
 * fields, or above the button.
 */
export function form({ fields, submit, act, id, more = null }) {
  const told = h("p", { role: "alert", class: "error" });
  const rows = fields.map((field) => row(field));
  const go = h("button", { type: "submit" }, submit);
  const node = h("form", { novalidate: true, id }, rows.map((one) => one.node), more, told, go);
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.getAttribute("aria-disabled")) return;
    told.textContent = "";
    say("");
    rows.forEach((one) => one.fault(""));
    go.setAttribute("aria-disabled", "true");
    go.textContent = t("busy");
    try {
      await act(Object.fromEntries(rows.map((one) => [one.name, one.input.value])));
    } catch (problem) {
      refuse(problem, rows, told);
    } finally {
      go.removeAttribute("aria-disabled");
      go.textContent = submit;
    }
  });
  return node;
}

function row({ name, label, type = "text", hint, ltr, at, codes = [], value = "", optional, ...rest }) {
  const id = `f${(made += 1)}`;
  const input = h("input", {
    id, name, type, value, dir: ltr ? "ltr" : "auto", ...rest,
    required: !optional, "aria-describedby": hint ? `${id}-e ${id}-h` : `${id}-e`,
  });
  const told = h("p", { id: `${id}-e`, class: "error", "aria-live": "assertive" });
  const node = h(
    "div", { class: "row" },
    h("label", { for: id }, label), input, told,
    hint ? h("p", { id: `${id}-h`, class: "hint" }, hint) : null,
  );
  const fault = (words) => {
    told.textContent = words;
    input.toggleAttribute("aria-invalid", false);
    if (words) input.setAttribute("aria-invalid", "true");
  };
  return { name, input, node, fault, at: at || [`/${name}`], codes };
}

/** Put each fault at the field that its pointer names; what has no field goes above the button. */
function refuse(problem, rows, told) {
  if (!(problem instanceof Problem)) {
    told.textContent = String(problem.message || problem);
    throw problem;
  }
  let first = null;
  for (const fault of problem.errors) {
    const found = rows.find((one) => one.at.some((pointer) => fault.pointer === pointer));
    if (!found) continue;
    found.fault(found.input.value ? fault.detail : t("missing"));
    first ||= found.input;
  }
  const owner = first ? null : rows.find((one) => one.codes.includes(problem.code));
  if (owner) {
    owner.fault(problem.title);
    first = owner.input;
  }
  if (first) first.focus();
  else told.textContent = sentence(problem);
}

/** Ask something in a dialog; resolves to what `build(done)` hands to `done`, or null. */
export function ask(title, build, { cancel = true } = {}) {
  const dialog = document.getElementById("dialog");
  return new Promise((resolve) => {
    let outcome = null;
    const done = (value) => {
      outcome = value;
      dialog.close();
    };
    dialog.replaceChildren(
      h("h2", { id: "dialog-title" }, title),
      ...build(done),
      ...(cancel ? [button(t("cancel"), () => done(null), "quiet")] : []),
    );
    dialog.addEventListener("close", () => resolve(outcome), { once: true });
    dialog.showModal();
  });
}
