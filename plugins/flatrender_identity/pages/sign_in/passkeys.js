// WebAuthn: the API's options are the browser's own JSON, and its answer goes back as it is.
import { Problem, call } from "./api.js";
import { t } from "./words.js";

/** Ask the browser for a passkey or for a new one; a person who turns away is no fault. */
async function browserPasskey(act) {
  if (!globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    throw new Problem(0, { title: t("passkey_missing") });
  }
  try {
    return (await act()).toJSON();
  } catch (fault) {
    if (fault.name === "InvalidStateError") throw new Problem(0, { title: t("passkey_known") });
    throw new Problem(0, { title: t("passkey_stopped") });
  }
}

const shown = (options) => browserPasskey(() =>
  navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }));

/** Sign in by a passkey alone: the browser offers those that it has, nobody is named. */
export async function signInWithPasskey(more) {
  const { challenge_id, public_key } = await call("POST", "/v1/auth/passkey/options");
  const passkey = await shown(public_key);
  return call("POST", "/v1/auth/passkey/verify", { challenge_id, passkey, ...more });
}

/** Answer a login's second step by a passkey of the account. */
export async function secondStepWithPasskey(mfa_token, more) {
  const { public_key } = await call("POST", "/v1/auth/mfa/passkey/options", { mfa_token });
  const passkey = await shown(public_key);
  return call("POST", "/v1/auth/mfa/verify", { mfa_token, passkey, ...more });
}

/** Freshen this session's second factor, for a sensitive act. */
export async function stepUpWithPasskey() {
  const { challenge_id, public_key } = await call("POST", "/v1/me/mfa/step-up/options");
  const passkey = await shown(public_key);
  await call("POST", "/v1/me/mfa/step-up", { challenge_id, passkey });
}

/** Make a passkey in this browser and register it; returns recovery codes when it is the first factor. */
export async function addPasskey(name, proof) {
  const { challenge_id, public_key } = await call("POST", "/v1/me/mfa/passkeys/options", proof);
  const credential = await browserPasskey(() =>
    navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(public_key) }));
  const made = await call("POST", "/v1/me/mfa/passkeys", { challenge_id, credential, name });
  return made.recovery_codes;
}
