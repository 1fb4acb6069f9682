"use strict";

// Relative to this script, independent of the URL of the page.
const api = new URL("../api/time", document.currentScript.src);

const byId = (id) => document.getElementById(id);

byId("call").hidden = false;

byId("call").addEventListener("click", async () => {
  const button = byId("call");
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    const response = await fetch(api);
    show(response.status, response.ok, (await response.text()).trim());
  } catch {
    show("failed", false, "The server cannot be reached.");
  }
  button.ariaBusy = "false";
});

function show(status, good, body) {
  byId("result").hidden = false;
  byId("status").textContent = status;
  byId("status").className = "status " + (good ? "good" : "bad");
  byId("body").textContent = body;
  byId("advice").textContent = status === 401 ? "You are not logged in, or your session has ended. Log in to continue." : "";
  byId("again").hidden = status !== 401;
}
