"use strict";

const byId = (id) => document.getElementById(id);

for (const button of document.querySelectorAll("[data-call]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const response = await fetch("/call/" + button.dataset.call);
      const text = await response.text();
      byId("status").textContent = response.status;
      byId("status").className = "status " + (response.ok ? "good" : "bad");
      byId("called").textContent = "/api/" + button.dataset.call;
      byId("body").textContent = text.trim();
      byId("again").hidden = response.status !== 401;
    } catch (error) {
      byId("status").textContent = "failed";
      byId("status").className = "status bad";
      byId("body").textContent = "The server cannot be reached.";
    }
    byId("result").hidden = false;
    button.disabled = false;
  });
}
