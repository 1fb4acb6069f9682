const base = new URL("..", import.meta.url); // independent of the URL of the page
const byId = (id) => document.getElementById(id);

byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target));
  if (await call("api/items", { method: "POST", body })) event.target.reset();
});

const me = await call("api/me");
if (me) {
  byId("name").textContent = (await me.json()).name;
  show("in");
  listen();
}

// call returns nothing if the session has ended: the server answers a script with 401, and
// not with a redirect to the login.
async function call(path, options) {
  byId("problem").textContent = "";
  let response;
  try {
    response = await fetch(new URL(path, base), options);
  } catch {
    byId("problem").textContent = "The server cannot be reached. Try again in a minute.";
    return;
  }
  if (response.status === 401) return show("out");
  if (response.ok) return response;
  byId("problem").textContent = "That did not work. Try again in a minute.";
}

// listen shows the list as it changes, in this browser and in others of the user.
function listen() {
  const events = new EventSource(new URL("events", base));
  events.addEventListener("message", ({ data }) => {
    byId("list").replaceChildren(...JSON.parse(data).map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  });
  events.addEventListener("end", () => {
    events.close(); // otherwise the browser connects again
    byId("list").replaceChildren();
    byId("problem").textContent = "Your session has ended.";
    show("out");
  });
}

function show(state) {
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
}
