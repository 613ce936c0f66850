// Shows Telegram's button (https://core.telegram.org/widgets/login). What it needs came in the
// fragment and is taken out of the address at once; nothing of it becomes markup.
"use strict";

const told = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
const provider = told.get("provider") || "";
const bot = told.get("bot") || "";
const state = told.get("state") || "";
const outcome = document.getElementById("outcome");

if (/^[a-z][a-z0-9_]{0,40}$/.test(provider) && /^[A-Za-z][A-Za-z0-9_]{4,31}$/.test(bot) && /^[0-9a-f]{32}\.[\w-]{1,100}$/.test(state)) {
  const script = document.createElement("script");
  script.async = true;
  script.src = "https://telegram.org/js/telegram-widget.js?22";
  script.dataset.telegramLogin = bot;
  script.dataset.size = "large";
  script.dataset.authUrl = `${location.origin}/v1/auth/${provider}/callback?state=${encodeURIComponent(state)}`;
  script.addEventListener("error", () => {
    outcome.textContent = "تلگرام در دسترس نیست. Telegram cannot be reached.";
  });
  document.getElementById("button").append(script);
} else {
  outcome.textContent = "این ورود معتبر نیست؛ از نو شروع کنید. This sign-in is not valid; begin again.";
}
