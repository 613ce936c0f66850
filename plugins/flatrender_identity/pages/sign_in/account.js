// The signed-in person's account: what protects it, where it is signed in, what happened to it.
import { call, forget } from "./api.js";
import { actor, ask, button, form, h, say, sentence, show } from "./dom.js";
import { addPasskey, stepUpWithPasskey } from "./passkeys.js";
import { remember } from "./signed_out.js";
import { kind, lang, moment, number, t } from "./words.js";

const LISTED = "?page_size=100";

/** Say goodbye: the session is over, whoever ended it. */
export function leave(words) {
  forget();
  say(words);
  location.hash = "#/";
}

export async function showAccount() {
  const me = await call("GET", "/v1/me");
  remember(me.email || me.mobile);
  const title = me.display_name ? t("hello", me.display_name) : t("account");
  const parts = [protection(), passkeys(), trusted(), sessions(), linked(), log()];
  show(
    h("section", { class: "card whole head" },
      h("h1", {}, title),
      h("p", { class: "lead" }, [me.email, me.mobile].filter(Boolean).map((one, index) => h("span", { class: "address" },
        h("bdi", { dir: "ltr" }, one),
        mark(index === 0 && me.email ? me.email_verified : me.mobile_verified)))),
      actor(t("log_out"), async () => {
        await call("POST", "/v1/auth/logout");
        leave(t("signed_out"));
      }, "quiet")),
    ...parts.map((part) => part.node),
  );
  await Promise.all(parts.map((part) => part.load()));
}

const mark = (good) =>
  good
    ? h("span", { class: "mark-good" }, t("verified_mark"))
    : h("a", { class: "mark-none", href: "#/verify" }, t("unverified_mark"));

/** A factor came or went, and other sections may tell of it; with the last one this session went. */
async function changed(words = t("removed")) {
  try {
    await showAccount();
    say(words);
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    leave(t("turned_off"));
  }
}

/** A section that loads by itself and tells a refusal in its own place. */
function section(id, title, load) {
  const body = h("div", { class: "stack" });
  const node = h("section", { class: "card whole", id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, title), body);
  const again = async () => {
    try {
      body.replaceChildren(...(await load(again)).flat().filter(Boolean));
    } catch (problem) {
      body.replaceChildren(h("p", { class: "error", role: "alert" }, sentence(problem)));
    }
  };
  return { node, load: again };
}

/**
 * Do a sensitive act. Refused for want of a proof, it asks for the present password or a second
 * factor, and acts again; resolves to false when the person gives up.
 */
export async function sensitive(act) {
  try {
    await act({});
    return true;
  } catch (problem) {
    if (problem.code === "proof_required") return withPassword(act);
    if (problem.code === "step_up_required") return withFactor(act, problem.methods);
    throw problem;
  }
}

async function withPassword(act) {
  const done = await ask(t("proof"), (end) => [
    h("p", {}, t("proof_lead")),
    form({
      id: "proof",
      fields: [{
        name: "current_password", label: t("password"), type: "password", ltr: true,
        autocomplete: "current-password", codes: ["proof_required"],
      }],
      submit: t("confirm"),
      act: async (typed) => {
        await act(typed);
        end(true);
      },
    }),
  ]);
  return done === true;
}

async function withFactor(act, methods) {
  const done = await ask(t("proof"), (end) => [
    h("p", {}, t("step_up_lead")),
    form({
      id: "step-up",
      fields: [{
        name: "code", label: `${t("totp_code")} / ${t("recovery_code")}`, ltr: true, maxlength: 16,
        autocomplete: "one-time-code", codes: ["invalid_mfa_code"],
      }],
      submit: t("confirm"),
      act: async (typed) => {
        await call("POST", "/v1/me/mfa/step-up", typed);
        end(true);
      },
    }),
    methods.includes("passkey")
      ? actor(t("use_passkey"), async () => {
        await stepUpWithPasskey();
        end(true);
      }, "wide quiet")
      : null,
  ].filter(Boolean));
  if (done !== true) return false;
  await act({});
  return true;
}

function protection() {
  return section("protection", t("protection"), async (again) => {
    const { methods, recovery_codes_left: left } = await call("GET", "/v1/me/mfa");
    const app = methods.includes("totp")
      ? actor(t("turn_off"), async () => {
        if (await sensitive(() => call("DELETE", "/v1/me/mfa/totp"))) await changed();
      }, "quiet danger")
      : actor(t("set_up"), () => sensitive(async (proof) => {
        const codes = await enrol(await call("POST", "/v1/me/mfa/totp", proof));
        if (!codes) return;
        if (codes.length) await showCodes(codes);
        await again();
      }), methods.length ? "quiet" : "");
    if (!methods.length) return [h("p", {}, t("protection_off")), app];
    return [
      h("p", {}, t("protection_on"), " ", t("codes_left", number(left))),
      h("div", { class: "bar" }, app,
        actor(t("new_codes"), () => sensitive(async () => {
          const answer = await call("POST", "/v1/me/mfa/recovery-codes");
          await showCodes(answer.recovery_codes);
          await again();
        }), "quiet")),
    ];
  });
}

/** Show the QR code and take its first code; resolves to the recovery codes, or null. */
function enrol(made) {
  return ask(t("set_up"), (end) => [
    h("p", {}, t("scan")),
    h("img", { class: "qr", alt: t("qr"), src: `data:image/svg+xml,${encodeURIComponent(made.qr_svg)}` }),
    h("p", { class: "hint" }, t("secret")),
    h("p", {}, h("code", { id: "secret", dir: "ltr" }, made.secret)),
    form({
      id: "totp",
      fields: [{
        name: "code", label: t("totp_code"), ltr: true, inputmode: "numeric", maxlength: 16,
        autocomplete: "one-time-code", codes: ["invalid_mfa_code"],
      }],
      submit: t("confirm"),
      act: async (typed) => {
        const answer = await call("POST", `/v1/me/mfa/totp/${made.factor_id}/confirm`, typed);
        end(answer.recovery_codes);
      },
    }),
  ]);
}

export function showCodes(codes) {
  return ask(t("codes"), (end) => [
    h("p", {}, t("codes_lead")),
    h("ul", { class: "codes", id: "codes", dir: "ltr" }, codes.map((one) => h("li", {}, h("code", {}, one)))),
    button(t("kept"), () => end(true)),
  ], { cancel: false });
}

function passkeys() {
  return section("passkeys", t("passkeys"), async (again) => {
    const listed = (await call("GET", `/v1/me/mfa/passkeys${LISTED}`)).data;
    return [
      listed.length ? null : h("p", {}, t("passkeys_none")),
      list(listed, (one) => [
        h("strong", {}, h("bdi", {}, one.name)),
        h("span", { class: "hint" }, moment(one.last_used_at || one.created_at)),
      ], (one) => [
        actor(t("remove"), async () => {
          const done = await sensitive(() => call("DELETE", `/v1/me/mfa/passkeys/${one.id}`));
          if (done) await changed();
        }, "quiet danger", one.name),
      ]),
      actor(t("add_passkey"), async () => {
        if (await newPasskey()) await changed(t("passkey_added"));
      }, listed.length ? "quiet" : ""),
    ];
  });
}

/** Ask for a name, then for the proof that a new factor wants; resolves to whether it was added. */
async function newPasskey() {
  const name = await ask(t("add_passkey"), (end) => [
    form({
      id: "passkey",
      fields: [{ name: "name", label: t("passkey_name"), value: shortened(navigator.userAgent), maxlength: 80 }],
      submit: t("add_passkey"),
      act: async (typed) => end(typed.name),
    }),
  ]);
  if (!name) return false;
  let codes = [];
  const added = await sensitive(async (proof) => {
    codes = await addPasskey(name, proof);
  });
  if (!added) return false;
  if (codes.length) await showCodes(codes);
  return true;
}

function trusted() {
  return section("trusted", t("trusted"), async (again) => {
    const listed = (await call("GET", `/v1/me/mfa/trusted-devices${LISTED}`)).data;
    return [
      listed.length ? null : h("p", {}, t("trusted_none")),
      list(listed, (one) => [
        h("strong", {}, h("bdi", {}, one.name || shortened(one.user_agent))),
        h("span", { class: "hint" }, `${t("trusted_until")}: ${moment(one.expires_at)} · `, h("bdi", { dir: "ltr" }, one.ip || "")),
      ], (one) => [
        actor(t("end"), async () => {
          await call("DELETE", `/v1/me/mfa/trusted-devices/${one.id}`);
          await again();
        }, "quiet danger", one.name || shortened(one.user_agent)),
      ]),
    ];
  });
}

function sessions() {
  return section("sessions", t("sessions"), async (again) => {
    const listed = (await call("GET", `/v1/me/sessions${LISTED}`)).data;
    return [
      list(listed, (one) => [
        h("strong", {}, h("bdi", {}, deviceOf(one)), " ",
          one.current ? h("span", { class: "mark-good" }, t("current")) : null),
        h("span", { class: "hint" }, `${t("last_seen")}: ${moment(one.last_seen_at)} · `, h("bdi", { dir: "ltr" }, one.ip || "")),
      ], (one) => [
        actor(t("rename"), () => rename(one, again), "quiet", deviceOf(one)),
        one.current ? null : actor(t("end"), async () => {
          await call("DELETE", `/v1/me/sessions/${one.id}`);
          await again();
        }, "quiet danger", deviceOf(one)),
      ]),
      listed.length > 1
        ? actor(t("end_others"), async () => {
          const { ended } = await call("POST", "/v1/me/sessions/end-others");
          say(t("others_ended", number(ended)));
          await again();
        }, "quiet danger")
        : null,
    ];
  });
}

async function rename(one, again) {
  const done = await ask(t("rename"), (end) => [
    form({
      id: "rename",
      fields: [{ name: "device_name", label: t("device_name"), value: one.device_name || "", maxlength: 120, optional: true }],
      submit: t("save"),
      act: async (typed) => {
        await call("PATCH", `/v1/me/sessions/${one.id}`, typed);
        end(true);
      },
    }),
  ]);
  if (!done) return;
  say(t("saved"));
  await again();
}

function linked() {
  return section("linked", t("linked"), async (again) => {
    const [mine, offers] = await Promise.all([
      call("GET", `/v1/me/identities${LISTED}`), call("GET", "/v1/auth/providers"),
    ]);
    const free = offers.data.filter((offer) => !mine.data.some((one) => one.provider === offer.provider));
    const nameOf = (offer) => (lang() === "fa" ? offer.name_fa : offer.name_en);
    return [
      mine.data.length ? null : h("p", {}, t("linked_none")),
      list(mine.data, (one) => [
        h("strong", {}, h("bdi", {}, one.provider)),
        h("span", { class: "hint" }, h("bdi", { dir: "ltr" }, one.email || "")),
      ], (one) => [
        actor(t("unlink"), async () => {
          const done = await sensitive((proof) => call("POST", `/v1/me/identities/${one.id}/unlink`, proof));
          if (done) await again();
        }, "quiet danger", one.provider),
      ]),
      h("div", { class: "bar" }, free.map((offer) => actor(t("link_with", nameOf(offer)), () =>
        sensitive(async (proof) => {
          const body = { provider: offer.provider, return_to: location.origin + location.pathname, ...proof };
          location.assign((await call("POST", "/v1/me/identities", body)).start_url);
        }), "quiet"))),
    ];
  });
}

function log() {
  let pages = 1;
  return section("log", t("log"), async (again) => {
    const lines = [];
    let more = false;
    for (let page = 1; page <= pages; page += 1) {
      const answer = await call("GET", `/v1/me/security-log?page=${page}&page_size=10`);
      lines.push(...answer.data);
      more = answer.meta.total_pages > pages;
    }
    return [
      list(lines, (one) => [
        h("strong", {}, kind(one.kind)),
        h("span", { class: "hint" }, `${moment(one.at)} · `, h("bdi", { dir: "ltr" }, one.ip || "")),
      ]),
      more ? button(t("more"), () => {
        pages += 1;
        again();
      }, "quiet") : null,
    ];
  });
}

/** A list of rows: words at their beginning, acts at their end. */
const list = (items, words, acts = () => []) =>
  items.length
    ? h("ul", { class: "list" }, items.map((one) =>
      h("li", {}, h("div", { class: "words" }, words(one)), h("div", { class: "bar" }, acts(one)))))
    : null;

const deviceOf = (one) => one.device_name || shortened(one.user_agent);

/** A browser's long name, as its maker would say it. */
function shortened(agent) {
  const found = /(Edg|OPR|Firefox|Chrome|Safari)[a-zA-Z]*\/(\d+)/.exec(agent);
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent);
  const names = { Edg: "Edge", OPR: "Opera" };
  const browser = found ? `${names[found[1]] || found[1]} ${found[2]}` : agent.slice(0, 40) || "?";
  return system ? `${browser}, ${system[1]}` : browser;
}
