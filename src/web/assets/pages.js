// Live updates, copying, keys. Pages work without it.

/** Fetches the page anew and takes over those of its parts that are marked as live. */
async function refresh() {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok || response.redirected) return false;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const found = fresh.getElementById(old.id);
    // Whoever is using a part keeps it: an open menu, a field with the cursor in it.
    if (!found || old.outerHTML === found.outerHTML || old.querySelector("details.menu[open], :focus")) continue;
    old.replaceWith(document.adoptNode(found));
  }
  // What comes at the end is new as a whole: the result of a job.
  if (fresh.querySelectorAll("main > section").length !== document.querySelectorAll("main > section").length) {
    location.reload();
    return false;
  }
  return true;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Refreshes whenever the stream says that something happened, at most once a second, until nothing more will. */
async function follow() {
  for (let address; (address = document.querySelector("[data-news]")?.dataset.news); ) {
    try {
      const stream = await fetch(address, { headers: { accept: "text/event-stream" } });
      const reader = stream.status === 200 ? stream.body.getReader() : undefined;
      for (let part; reader && !(part = await reader.read()).done; ) {
        // A comment keeps the connection alive and says nothing.
        if (new TextDecoder().decode(part.value).startsWith(":")) continue;
        await pause(700);
        if (!(await refresh())) return;
      }
    } catch {
      // The server may be starting anew; the next round finds out.
    }
    await pause(1000);
    if (!(await refresh().catch(() => true))) return;
  }
}

/** Refreshes every so many seconds, while the page says so and somebody looks. */
async function poll() {
  for (let every; (every = document.querySelector("[data-every]")?.dataset.every); ) {
    await pause(1000 * Number(every));
    if (!document.hidden && !(await refresh().catch(() => true))) return;
  }
}

/** Puts a button to copy with beside what is meant to be copied. */
function offerCopies() {
  if (!navigator.clipboard) return;
  for (const text of document.querySelectorAll("pre[data-copy]")) {
    const around = document.createElement("div");
    around.className = "copied";
    const button = document.createElement("button");
    button.className = "button copy";
    button.type = "button";
    button.textContent = "Copy";
    text.replaceWith(around);
    around.append(text, button);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
      await pause(1500);
      button.textContent = "Copy";
    });
  }
}

/** `/` goes to the filter, `n` to the next page. */
function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const found = { "/": "[data-focus]", n: "a[rel=next]" }[event.key];
    const target = found && document.querySelector(found);
    if (!target) return;
    event.preventDefault();
    if (event.key === "/") target.focus();
    else target.click();
  });
}

offerCopies();
listenToKeys();
follow();
poll();
