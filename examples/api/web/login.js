// The login of a page that is its own OAuth client: the authorization code flow
// with PKCE (RFC 7636), state and nonce, as RFC 9700 requires. The login transaction is in
// sessionStorage, and valid for one answer. The caller gets the tokens, and nothing
// stores them.

const scope = "openid profile email";
const storageKey = "login";

// The message of a LoginError is its cause: denied, stale, unreachable or failed. Nothing
// in it comes from the URL of the page.
export class LoginError extends Error {}

// begin opens the tenant's login page.
export async function begin() {
  const { config, metadata } = await discover();
  const login = { state: random(), nonce: random(), verifier: random() };
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(login.verifier));
  sessionStorage.setItem(storageKey, JSON.stringify(login));
  leaveFor(metadata.authorization_endpoint, {
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: callbackURL(),
    scope,
    audience: config.audience,
    state: login.state,
    nonce: login.nonce,
    code_challenge: base64url(challenge),
    code_challenge_method: "S256",
  });
}

// isCallback reports whether the answer to a login opened the page.
export function isCallback() {
  const answer = new URLSearchParams(location.search);
  return answer.has("code") || answer.has("error");
}

// finish reads the answer, and returns the user and the access token.
export async function finish() {
  const answer = new URLSearchParams(location.search);
  history.replaceState(null, "", callbackURL()); // the code is not for bookmarks
  const login = JSON.parse(sessionStorage.getItem(storageKey));
  sessionStorage.removeItem(storageKey);
  // An answer without our state is from another login, or from a past one (RFC 6749,
  // Section 10.12).
  if (!login || answer.get("state") !== login.state) throw new LoginError("stale");
  if (answer.get("error") === "access_denied") throw new LoginError("denied");
  if (answer.has("error")) throw new LoginError("failed");
  return redeem(answer.get("code"), login);
}

async function redeem(code, login) {
  const { config, metadata } = await discover();
  const tokens = await fetchJSON(metadata.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: config.clientId,
      redirect_uri: callbackURL(),
      code,
      code_verifier: login.verifier,
    }),
  });
  return {
    user: readIDToken(tokens.id_token, metadata.issuer, config.clientId, login.nonce),
    accessToken: tokens.access_token,
    expires: new Date(Date.now() + tokens.expires_in * 1000),
  };
}

// readIDToken returns the claims of an ID token. It came straight from the token
// endpoint, by TLS, so its signature need not be verified (OpenID Connect Core 1.0,
// Section 3.1.3.7, item 6). The access token is for the API, so the page does not read
// it.
function readIDToken(token, issuer, clientId, nonce) {
  const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes));
  const good = claims.iss === issuer && [claims.aud].flat().includes(clientId) && claims.nonce === nonce;
  const expired = claims.exp + 60 < Date.now() / 1000; // clocks differ
  if (!good || expired) throw new LoginError("failed");
  return claims;
}

// end ends the session at the tenant, which redirects back to this page. The tenant asks
// for no confirmation if the request names the session. The ID token would also name it,
// but does not belong in a URL.
export async function end(user) {
  const { config, metadata } = await discover();
  if (!metadata.end_session_endpoint) { // Auth0 tenants from before November 2023
    leaveFor(new URL("v2/logout", metadata.issuer), { client_id: config.clientId, returnTo: callbackURL() });
    return;
  }
  leaveFor(metadata.end_session_endpoint, {
    client_id: config.clientId,
    post_logout_redirect_uri: callbackURL(),
    logout_hint: user.sid ?? user.sub,
  });
}

// callbackURL is this page, which is registered at the tenant as an allowed
// callback URL and as an allowed logout URL.
function callbackURL() {
  return new URL("./", location.href).href;
}

let discovered;

// discover fetches, once, the client ID and the endpoints of the tenant.
async function discover() {
  discovered ??= await fetchMetadata();
  return discovered;
}

async function fetchMetadata() {
  const config = await fetchJSON("config.json");
  const base = config.issuer.replace(/\/$/, "");
  const metadata = await fetchJSON(base + "/.well-known/openid-configuration");
  // OpenID Connect Discovery 1.0, Section 4.3
  if (metadata.issuer.replace(/\/$/, "") !== base) throw new LoginError("failed");
  return { config, metadata };
}

async function fetchJSON(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new LoginError("unreachable");
  }
  if (!response.ok) throw new LoginError(response.status >= 500 ? "unreachable" : "failed");
  return response.json();
}

function leaveFor(address, parameters) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

// random returns 256 random bits as text.
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
