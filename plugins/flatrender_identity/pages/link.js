"use strict";
// The page behind the links of our mails. The token is in the fragment, which never leaves the
// browser by itself; it is used up when the person presses the button, by one POST.
const WORDS = {
  fa: {
    verify_email: ["تأیید ایمیل", "با یک کلیک این نشانی را تأیید کنید.", "تأیید"],
    reset_password: ["گذرواژهٔ تازه", "دست‌کم ۱۲ نویسه. پس از آن همه‌ی دستگاه‌ها خارج می‌شوند.", "ثبت گذرواژه"],
    change_email: ["نشانی تازه", "این نشانی ایمیل حساب شما می‌شود.", "تأیید"],
    invitation: ["دعوت‌نامه", "نام و گذرواژهٔ خود را بگذارید.", "پذیرفتن"],
    delete_account: ["نگه‌داشتن حساب", "درخواست پاک شدن حساب پس گرفته می‌شود.", "حساب را نگه دار"],
    none: ["پیوند ناتمام", "نشانی را کامل از ایمیل باز کنید یا کد همان ایمیل را وارد کنید.", ""],
    name: "نام", password: "گذرواژه", done: "انجام شد.", failed: "نشد؛ دوباره تلاش کنید.",
  },
  en: {
    verify_email: ["Verify your e-mail", "One press proves this address.", "Verify"],
    reset_password: ["A new password", "At least 12 characters. Every device is signed out then.", "Set password"],
    change_email: ["Your new address", "It becomes the e-mail of your account.", "Confirm"],
    invitation: ["Invitation", "Choose your name and password.", "Accept"],
    delete_account: ["Keep your account", "The request to delete it is taken back.", "Keep it"],
    none: ["The link is not whole", "Open the whole address of the mail, or type its code.", ""],
    name: "Name", password: "Password", done: "Done.", failed: "That did not work; try again.",
  },
};
const PATHS = {
  verify_email: "/v1/auth/verification/complete",
  reset_password: "/v1/auth/recovery/complete",
  change_email: "/v1/auth/address-change/complete",
  invitation: "/v1/auth/invitations/accept",
  delete_account: "/v1/auth/deletion/cancel",
};
const told = new URLSearchParams(location.hash.slice(1));
const lang = told.get("lang") === "en" ? "en" : "fa";
const words = WORDS[lang];
const purpose = Object.keys(PATHS).find((name) => told.get(name)) || "none";
const token = told.get(purpose);
const el = (id) => document.getElementById(id);

document.documentElement.lang = lang;
document.documentElement.dir = lang === "fa" ? "rtl" : "ltr";
const [title, text, button] = words[purpose];
document.title = title;
el("title").textContent = title;
el("words").textContent = text;
el("go").textContent = button;
el("name-label").textContent = words.name;
el("password-label").textContent = words.password;
el("form").hidden = purpose === "none";
const wantsPassword = purpose === "reset_password" || purpose === "invitation";
el("password-row").hidden = !wantsPassword;
el("password").required = wantsPassword;
el("name-row").hidden = purpose !== "invitation";

el("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  el("go").disabled = true;
  el("outcome").textContent = "";
  const body = { token };
  if (wantsPassword) body.password = el("password").value;
  if (purpose === "invitation") body.display_name = el("name").value;
  try {
    const answer = await fetch(PATHS[purpose], {
      method: "POST",
      headers: { "Content-Type": "application/json", "Accept-Language": lang },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      el("form").hidden = true;
      el("outcome").textContent = words.done;
      return;
    }
    const problem = await answer.json();
    const fault = problem.errors && problem.errors[0];
    el("outcome").textContent = (fault && fault.message) || problem.title || words.failed;
  } catch {
    el("outcome").textContent = words.failed;
  }
  el("go").disabled = false;
});
