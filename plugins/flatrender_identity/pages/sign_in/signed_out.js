// What somebody sees who is not signed in: every way in, and the ways back to an account.
import { Problem, call, deviceToken } from "./api.js";
import { actor, box, button, form, h, say, show } from "./dom.js";
import { secondStepWithPasskey, signInWithPasskey } from "./passkeys.js";
import { lang, number, t } from "./words.js";

const MODE = { mode: "browser" };
const known = { address: "" }; // typed once, carried from view to view
const offered = { providers: null }; // asked once a visit, before drawing: nothing moves under a finger
/** Draws what stands on the page and in no address: a step that holds a token. */
export const between = { again: null };

export function remember(address) {
  known.address = address || "";
}

const address = (name, label, more = {}) => ({
  name, label, type: "text", inputmode: "email", autocomplete: "username", ltr: true,
  value: known.address, autocapitalize: "none", spellcheck: "false", ...more,
});
const password = (label, more = {}) => ({
  name: "password", label, type: "password", autocomplete: "current-password", ltr: true, ...more,
});
const newPassword = (label = t("new_password")) => password(label, {
  autocomplete: "new-password", hint: t("password_hint"), codes: ["password_refused"],
});
const code = (label) => ({
  name: "code", label, ltr: true, inputmode: "numeric", autocomplete: "one-time-code",
  codes: ["invalid_code", "invalid_mfa_code"], maxlength: 16,
});
const link = (words, to) => h("a", { href: to }, words);
const whom = () =>
  known.address ? h("p", { class: "whom" }, h("bdi", { dir: "ltr" }, known.address)) : null;
const card = (title, lead, ...rest) =>
  h("section", { class: "card" }, h("h1", {}, title), lead ? h("p", { class: "lead" }, lead) : null, ...rest);

/** Follow an answer of signing in: another password, the second step, or the account. */
export async function enter(answer) {
  if (answer.password_change_required) showNewPassword(answer.token, "choose", "choose_lead");
  else if (answer.mfa_required) showSecondStep(answer);
  else location.hash = "#/account";
}

async function logIn(identifier, given) {
  const body = { identifier, password: given, device_token: deviceToken(), ...MODE };
  await enter(await call("POST", "/v1/auth/login", body));
}

export async function showSignIn() {
  offered.providers ||= (await call("GET", "/v1/auth/providers")).data;
  show(card(t("sign_in"), t("sign_in_lead"),
    form({
      id: "sign-in",
      fields: [
        address("identifier", t("identifier"), { autocomplete: "username webauthn" }),
        password(t("password")),
      ],
      submit: t("sign_in"),
      act: async (typed) => {
        known.address = typed.identifier;
        await logIn(typed.identifier, typed.password);
      },
    }),
    h("p", { class: "links" }, link(t("forgot"), "#/recovery")),
    h("p", { class: "or" }, h("span", {}, t("or"))),
    h("div", { class: "stack" },
      actor(t("by_passkey"), async () => enter(await signInWithPasskey(MODE)), "wide quiet"),
      h("div", { class: "stack" }, offered.providers.map(through)),
      link(t("by_code"), "#/code")),
    h("p", { class: "links" }, `${t("no_account")} `, link(t("register"), "#/register")),
  ));
}

function through(offer) {
  return h("a", { class: "button wide quiet", href: startOf(offer.start_url), "data-provider": offer.provider },
    t("with_provider", lang() === "fa" ? offer.name_fa : offer.name_en));
}

/** Where "continue with" leads: a code comes back in this page's fragment, no tokens. */
function startOf(url) {
  const start = new URL(url);
  start.searchParams.set("return_to", location.origin + location.pathname);
  start.searchParams.set("delivery", "code");
  return start.href;
}

export function showRegister() {
  show(card(t("register"), t("register_lead"),
    form({
      id: "register",
      fields: [
        { name: "display_name", label: t("name"), autocomplete: "name", maxlength: 120, optional: true },
        address("address", t("address"), { at: ["/email", "/mobile"], codes: ["address_not_allowed"] }),
        newPassword(t("password")),
      ],
      submit: t("register"),
      act: async ({ address: typed, ...rest }) => {
        known.address = typed;
        const kind = typed.includes("@") || !/[0-9۰-۹]{4}/.test(typed) ? "email" : "mobile";
        const body = { ...rest, [kind]: typed, locale: lang() };
        await call("POST", "/v1/auth/register", body, { key: crypto.randomUUID() });
        location.hash = "#/verify";
      },
    }),
    h("p", { class: "links" }, `${t("have_account")} `, link(t("sign_in"), "#/")),
  ));
}

export function showVerify() {
  showCode(t("verify"), t("verify_lead"), {
    id: "verify", ask: "/v1/auth/verification", complete: "/v1/auth/verification/complete",
    then: () => {
      say(t("verified"));
      location.hash = "#/";
    },
  });
}

export function showMagic() {
  showAsk(t("magic"), t("magic_lead"), "/v1/auth/magic-link", () =>
    showCode(t("magic"), t("magic_sent"), {
      id: "magic", ask: "/v1/auth/magic-link", complete: "/v1/auth/magic-link/complete", more: MODE,
      then: enter,
    }));
}

/** A link of a mail led here: nothing is used up before the button is pressed. */
export function showMagicLink(token) {
  between.again = () => showMagicLink(token);
  show(card(t("magic"), t("magic_link_lead"),
    form({
      id: "magic-link", fields: [], submit: t("sign_in"),
      act: async () => enter(await call("POST", "/v1/auth/magic-link/complete", { token, ...MODE })),
    }),
    h("p", { class: "links" }, link(t("back"), "#/"))));
}

/**
 * Choose a password by a token: of a mail's link, or of a login whose password support had set. It
 * signs in then where the address is known; a refusal there leaves the new password as it is.
 * `title` and `lead` are keys of words.
 */
export function showNewPassword(token, title, lead) {
  between.again = () => showNewPassword(token, title, lead);
  show(card(t(title), t(lead), whom(),
    form({
      id: "new-password", fields: [newPassword()], submit: t("set_password"),
      act: async (typed) => {
        await call("POST", "/v1/auth/recovery/complete", { token, ...typed });
        between.again = null;
        try {
          if (known.address) return await logIn(known.address, typed.password);
        } catch (problem) {
          if (!(problem instanceof Problem)) throw problem;
        }
        await showSignIn();
        return say(t("recovered"));
      },
    }),
    h("p", { class: "links" }, link(t("back"), "#/"))));
}

export function showRecovery() {
  showAsk(t("recovery"), t("recovery_lead"), "/v1/auth/recovery", () =>
    showCode(t("recovery"), t("recovery_sent"), {
      id: "recovery", ask: "/v1/auth/recovery", complete: "/v1/auth/recovery/complete",
      fields: [newPassword()],
      submit: t("set_password"),
      then: () => {
        say(t("recovered"));
        location.hash = "#/";
      },
    }));
}

function showAsk(title, lead, path, next) {
  show(card(title, lead,
    form({
      id: "ask", fields: [address("identifier", t("identifier"))], submit: t("send_code"),
      act: async ({ identifier }) => {
        known.address = identifier;
        await call("POST", path, { identifier });
        next();
      },
    }),
    h("p", { class: "links" }, link(t("back"), "#/"))));
}

function showCode(title, lead, { id, ask, complete, fields = [], submit, more = {}, then }) {
  const asked = known.address ? [] : [address("identifier", t("identifier"))];
  show(card(title, lead, whom(),
    form({
      id, fields: [...asked, code(t("code")), ...fields], submit: submit || t("confirm"),
      act: async (typed) => {
        const body = { identifier: known.address, ...typed, ...more };
        const answer = await call("POST", complete, body);
        known.address = body.identifier;
        await then(answer);
      },
    }),
    known.address
      ? actor(t("send_again"), async () => {
        await call("POST", ask, { identifier: known.address });
        say(t("sent_again"));
      }, "link")
      : null,
    h("p", { class: "links" }, link(t("back"), "#/"))));
}

/**
 * The second step of a sign-in: an authenticator's code, a recovery code or a passkey. Where the
 * device may be trusted, a box asks whether this is the last time for so many days.
 */
export function showSecondStep(pending, chosen, ticked = false) {
  const { mfa_token: token, methods, trust_days: days } = pending;
  const typed = methods.filter((method) => method === "totp" || method === "recovery_code");
  const method = chosen || typed[0];
  const other = typed.find((one) => one !== method);
  const trust = days ? box(t("trust", number(days)), t("trust_hint"), ticked) : null;
  const more = () => ({ trust_device: trust !== null && trust.ticked(), ...MODE });
  const again = (way) => showSecondStep(pending, way, more().trust_device);
  between.again = () => again(method);
  const field = method === "totp"
    ? code(t("totp_code"))
    : { ...code(t("recovery_code")), inputmode: "text", autocomplete: "off" };
  show(card(t("second"), t("second_lead"),
    method
      ? form({
        id: "second", fields: [field], submit: t("confirm"), more: trust && trust.node,
        act: async (given) => {
          const body = { mfa_token: token, code: given.code.trim(), ...more() };
          await enter(await call("POST", "/v1/auth/mfa/verify", body));
        },
      })
      : trust && trust.node,
    h("div", { class: "stack" },
      methods.includes("passkey")
        ? actor(t("use_passkey"), async () => enter(await secondStepWithPasskey(token, more())), "wide quiet")
        : null,
      other ? button(t(other === "totp" ? "use_totp" : "use_recovery"), () => again(other), "link") : null),
    h("p", { class: "links" }, link(t("back"), "#/"))));
}
