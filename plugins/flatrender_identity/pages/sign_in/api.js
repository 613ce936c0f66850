// Calls of the API from a browser: tokens in cookies that no script reads, the CSRF token in a
// header, one renewal when the access token is over, refusals as `Problem`.
import { lang, t } from "./words.js";

/** A refusal: a problem document (RFC 9457), with the seconds that Retry-After names. */
export class Problem extends Error {
  constructor(status, told, retryAfter) {
    super(told.code || String(status));
    Object.assign(this, { status, retryAfter, code: told.code || "", title: told.title || t("offline") });
    this.detail = told.detail || "";
    this.errors = told.errors || [];
    this.methods = told.methods || [];
  }
}

let csrf = null; // of the session in the cookies; a page that was loaded anew asks for it
let renewing = null;
// What a renewal cures. A wrong code or password is a 401 as well, and no renewal cures that.
const OVER = new Set(["unauthorized", "token_expired"]);

async function send(method, path, body, key) {
  const headers = { "Accept-Language": lang() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (key) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, {});
  }
  const text = await answer.text();
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    told = {};
  }
  if (!answer.ok) throw new Problem(answer.status, told || {}, answer.headers.get("Retry-After"));
  if (told && told.csrf_token) csrf = told.csrf_token;
  if (told && told.device_token) localStorage.setItem("fr_device", told.device_token);
  return told;
}

/** Renew the session's tokens, once for all calls that wait for it. */
function renew() {
  renewing ||= send("POST", "/v1/auth/refresh", {}).finally(() => {
    renewing = null;
  });
  return renewing;
}

/** Make a call and return its JSON. `key` is an Idempotency-Key: a repeated press acts once. */
export async function call(method, path, body, { key } = {}) {
  try {
    return await send(method, path, body, key);
  } catch (problem) {
    if (!csrf || !OVER.has(problem.code)) throw problem;
    await renew();
    return send(method, path, body, key);
  }
}

/** Return whether the cookies hold a session, and know its CSRF token then. */
export async function resume() {
  try {
    await send("GET", "/v1/auth/csrf");
    return true;
  } catch (problem) {
    if (problem.status === 401) return false;
    throw problem;
  }
}

export function forget() {
  csrf = null;
}

/** What a device shows of an earlier sign-in, so that nobody's guesses use up its tries. */
export const deviceToken = () => localStorage.getItem("fr_device") || undefined;
