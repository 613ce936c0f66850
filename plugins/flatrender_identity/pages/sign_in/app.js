// Begins the page: the language, who is signed in, and what a fragment brought back.
import { Problem, call, resume } from "./api.js";
import { h, say, sentence, show } from "./dom.js";
import { leave, showAccount } from "./account.js";
import {
  between, enter, showMagic, showMagicLink, showNewPassword, showRecovery, showRegister, showSecondStep,
  showSignIn, showVerify,
} from "./signed_out.js";
import { lang, setLanguage, t } from "./words.js";

const VIEWS = {
  "#/": showSignIn, "#/register": showRegister, "#/verify": showVerify, "#/code": showMagic,
  "#/recovery": showRecovery, "#/account": showAccount,
};
const ENDED = new Set(["unauthorized", "invalid_refresh_token", "session_ended", "invalid_token"]);

// One view after the other: an earlier one that waited for the server never covers a later one.
let drawing = Promise.resolve();

function render() {
  drawing = drawing.then(draw, draw);
  return drawing;
}

async function draw() {
  between.again = null;
  document.body.toggleAttribute("data-busy", true);
  try {
    await (VIEWS[location.hash] || showSignIn)();
  } catch (problem) {
    if (problem instanceof Problem && ENDED.has(problem.code)) leave(t("ended"));
    else show(h("section", { class: "card" }, h("h1", {}, "FlatRender"), h("p", { class: "error", role: "alert" }, sentence(problem))));
  } finally {
    document.body.removeAttribute("data-busy");
  }
}

/**
 * Take what a provider or a mail brought in the fragment, and take it out of the address at once:
 * it must not stay in the history. Returns whether it decided what to show.
 */
async function arrive(told) {
  if ([...told.keys()].length === 0 || location.hash.startsWith("#/")) return false;
  history.replaceState(null, "", location.pathname);
  if (told.has("lang")) { // a mail's link speaks as the mail did
    setLanguage(told.get("lang"));
    speak();
  }
  if (told.has("error")) {
    await render();
    say(told.get("error").replaceAll("_", " "));
  } else if (told.has("mfa_token")) {
    showSecondStep({
      mfa_token: told.get("mfa_token"), methods: told.get("methods").split(","),
      trust_days: Number(told.get("trust_days")),
    });
  } else if (told.has("magic_link")) {
    showMagicLink(told.get("magic_link"));
  } else if (told.has("reset_password")) {
    showNewPassword(told.get("reset_password"), "recovery", "reset_lead");
  } else if (told.has("link_code")) {
    await resume();
    await call("POST", "/v1/me/identities/complete", { code: told.get("link_code") });
    say(t("linked_done"));
    location.hash = "#/account";
  } else if (told.has("code")) {
    await enter(await call("POST", "/v1/auth/oauth/token", { code: told.get("code"), mode: "browser" }));
  } else {
    return false;
  }
  return true;
}

function speak() {
  const language = document.getElementById("language");
  language.textContent = t("other");
  language.setAttribute("aria-label", t("other_label"));
  language.lang = lang() === "fa" ? "en" : "fa";
}

document.getElementById("language").addEventListener("click", () => {
  setLanguage(lang() === "fa" ? "en" : "fa");
  speak();
  say("");
  if (between.again) between.again();
  else render();
});
window.addEventListener("hashchange", render);
// A step between two addresses changes none: a link to where one is draws it anew.
document.addEventListener("click", (event) => {
  const to = event.target.closest("a")?.getAttribute("href");
  if (to?.startsWith("#/") && to === location.hash) render();
});

setLanguage(lang());
speak();
try {
  if (!(await arrive(new URLSearchParams(location.hash.slice(1))))) {
    const inside = await resume();
    const wanted = VIEWS[location.hash] ? location.hash : "#/";
    if (inside && wanted === "#/") history.replaceState(null, "", "#/account");
    await render();
  }
} catch (problem) {
  await render();
  say(sentence(problem));
}
document.body.dataset.ready = "yes";
