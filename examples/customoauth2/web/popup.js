"use strict";

// Relative to this script, independent of the URL of the page.
const base = new URL("..", document.currentScript.src);

const button = document.getElementById("popup");
if (button) {
  button.hidden = false; // without scripts there is the link
  button.addEventListener("click", () => {
    // During the click: the browser blocks a later pop-up.
    if (!open(new URL("auth/popup", base), "login", "popup,width=480,height=700")) say("The browser has blocked the pop-up; use the other button.");
  });
  addEventListener("message", (event) => {
    if (event.origin === location.origin) take(event.data);
  });
  // For a provider whose Cross-Origin-Opener-Policy separates the windows.
  new BroadcastChannel("auth0:login").addEventListener("message", (event) => take(event.data));
}

function take(message) {
  if (message?.type !== "auth0:login") return;
  if (message.ok) location.assign(new URL("photos", base));
  else say(message.error === "authorization_denied" ? "The login was canceled." : "The login did not work. Try again.");
}

function say(text) {
  const problem = document.getElementById("problem");
  problem.textContent = text;
  problem.hidden = false;
}
