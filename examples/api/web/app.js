import * as login from "./login.js";

// The access token is only in this variable. It is lost with the page.
let session = null;

const byId = (id) => document.getElementById(id);

const problems = {
  denied: "You canceled the login, or you don't have access.",
  stale: "This login started in another tab, or it is already finished. Log in again.",
  unreachable: "The login service cannot be reached. Try again in a minute.",
  failed: "The login did not work. Try again.",
};

const advice = {
  401: "Log in to call this endpoint.",
  403: "You are logged in, but your account lacks the permission read:protected.",
  503: "The API cannot check your token at the moment. Try again in a minute.",
};

byId("login").addEventListener("click", () => busy(byId("login"), login.begin));
byId("logout").addEventListener("click", () => busy(byId("logout"), logout));
for (const button of document.querySelectorAll("[data-call]")) {
  button.addEventListener("click", () => busy(button, () => call("api/" + button.dataset.call)));
}

await start();

async function start() {
  byId("news").textContent = sessionStorage.getItem("loggedOut") ? "You are logged out." : "";
  sessionStorage.removeItem("loggedOut");
  if (!login.isCallback()) return show("out");
  show("busy");
  try {
    session = await login.finish();
  } catch (error) {
    complain(error);
  }
  show(session ? "in" : "out");
}

// logout forgets the token first, because the tenant may be unreachable.
async function logout() {
  const { user } = session;
  session = null;
  show("out");
  sessionStorage.setItem("loggedOut", "yes"); // for this page, when the tenant leads back
  await login.end(user);
}

// busy runs an action of a button, once at a time.
async function busy(button, action) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  byId("problem").textContent = "";
  try {
    await action();
  } catch (error) {
    complain(error);
  } finally {
    button.ariaBusy = "false";
  }
}

function complain(error) {
  console.error(error);
  byId("problem").textContent = problems[error.message] ?? problems.failed;
}

// show shows the elements for users who are logged in, logged out, or logging in.
function show(state) {
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
  byId("calls").hidden = state === "busy";
  byId("result").hidden = true;
  if (state !== "in") return;
  const { user, expires } = session;
  const name = user.name ?? user.email ?? user.sub;
  byId("name").textContent = user.given_name ?? name;
  byId("initial").textContent = name[0];
  byId("email").textContent = user.email ?? "";
  byId("expires").textContent = expires.toLocaleString("en", { weekday: "long", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

async function call(path) {
  const sent = session !== null;
  let response, body;
  try {
    response = await fetch(path, { headers: sent ? { Authorization: "Bearer " + session.accessToken } : {} });
    body = await response.text();
  } catch {
    answered(path, "failed", "The server cannot be reached.");
    return;
  }
  let hint = advice[response.status];
  if (response.status === 401 && sent) { // the token has expired, or was never valid
    hint = "The API does not accept your access token. Log in again.";
    session = null;
    show("out");
  }
  answered(path, response.status, body, response.headers.get("WWW-Authenticate"), hint);
}

function answered(path, status, body, challenge, hint) {
  byId("result").hidden = false;
  byId("status").textContent = status;
  byId("status").className = "status " + (status === 200 ? "good" : "bad");
  byId("called").textContent = "/" + path;
  byId("body").textContent = pretty(body);
  byId("challenge").hidden = !challenge;
  byId("challenge").querySelector("code").textContent = challenge;
  byId("advice").textContent = hint ?? "";
  byId("result").scrollIntoView({ block: "nearest" });
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
