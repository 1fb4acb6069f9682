"use strict";

// Relative to this script, independent of the URL of the page.
const calls = new URL("../call/", document.currentScript.src);

const byId = (id) => document.getElementById(id);

const advice = {
  401: "Your session has ended. Log in to continue.",
  403: "You are logged in, but your account lacks the permission read:protected.",
  503: "The API cannot check your token at the moment.",
};

byId("calls").hidden = false;

for (const button of document.querySelectorAll("[data-call]")) {
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    byId("result").hidden = false;
    try {
      const response = await fetch(new URL(button.dataset.call, calls));
      const text = await response.text();
      show(response.status, response.ok, text.trim());
    } catch {
      show("failed", false, "The server cannot be reached.");
    }
    byId("called").textContent = "/api/" + button.dataset.call;
    button.ariaBusy = "false";
  });
}

function show(status, good, body) {
  byId("status").textContent = status;
  byId("status").className = "status " + (good ? "good" : "bad");
  byId("body").textContent = body;
  byId("advice").textContent = advice[status] || "";
  byId("again").hidden = status !== 401;
}
