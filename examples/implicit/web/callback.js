"use strict";

// This is the first script of the page, and runs before the page is drawn.
const first = take();
addEventListener("DOMContentLoaded", () => finish(first));
addEventListener("hashchange", () => finish(take())); // a URL that is pasted into this page

// take returns the fragment, and removes it from the URL: from the history, bookmarks and
// the screen.
function take() {
  const fragment = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return fragment;
}

// finish has the server verify the fragment. The page trusts nothing in it before.
async function finish(fragment) {
  for (const id of ["name", "initial", "email", "user", "access"]) byId(id).textContent = ""; // of an earlier one
  show("busy");
  if (fragment === "") return complain("The address of this page contains no login response. Log in again.");
  let response, answer;
  try {
    response = await fetch("verify", { method: "POST", body: new URLSearchParams(fragment) });
    answer = await response.json();
  } catch {
    return complain("We cannot reach the server. Log in again in a minute.");
  }
  if (!response.ok) return complain(answer.problem);
  const { user, token } = answer;
  fill("access", token);
  if (!user) return show("token");
  fill("user", user);
  const name = user.name ?? user.email ?? user.sub;
  byId("name").textContent = name;
  byId("initial").textContent = name[0];
  byId("email").textContent = user.email ?? "";
  byId("verified").hidden = user.email_verified !== true;
  show("login");
}

function byId(id) {
  return document.getElementById(id);
}

function complain(text) {
  byId("problem").textContent = text + ".";
  show("problem");
}

function show(state) {
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
}

function fill(id, claims) {
  byId(id).replaceChildren(...Object.entries(claims).map(([name, value]) => {
    const row = document.createElement("tr");
    const head = row.appendChild(document.createElement("th"));
    head.scope = "row";
    head.textContent = name;
    row.appendChild(document.createElement("td")).textContent = [value ?? "–"].flat().join(", ") || "–";
    return row;
  }));
}
