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
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    const found = { "/": "[data-focus]", n: "a[rel=next]" }[event.key];
    const target = found && document.querySelector(found);
    if (!target) return;
    event.preventDefault();
    if (event.key === "/") target.focus();
    else target.click();
  });
}

/** What is asked of the server about an upload: sent again after a while where the connection breaks. */
async function tus(method, address, headers, body) {
  for (let tries = 1, wait = 500; ; tries += 1, wait = Math.min(2 * wait, 15000)) {
    try {
      const response = await fetch(address, { method, headers: { "tus-resumable": "1.0.0", ...headers }, body });
      const passes = response.status >= 500 || [423, 429].includes(response.status);
      if (!passes || tries === 12) return response;
    } catch (error) {
      // The network is away; the upload goes on where it was.
      if (tries === 12) throw error;
    }
    await pause(wait);
  }
}

/** Sends a file in parts, from where an earlier try of the same file came to; gives the upload's id. */
async function send(file, show) {
  const known = `upload ${file.name} ${file.size} ${file.lastModified}`;
  let id = localStorage.getItem(known);
  const found = id && (await tus("HEAD", `/uploads/${id}`, {}));
  let offset = found && found.ok ? Number(found.headers.get("upload-offset")) : 0;
  if (!found || !found.ok) {
    const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
    const headers = { "upload-length": String(file.size), "upload-metadata": `filename ${name}` };
    const begun = await tus("POST", "/uploads", headers);
    if (!begun.ok) throw new Error((await begun.json()).detail);
    id = begun.headers.get("location").split("/").pop();
    localStorage.setItem(known, id);
  }
  while (offset < file.size) {
    show(offset);
    const headers = { "content-type": "application/offset+octet-stream", "upload-offset": String(offset) };
    const sent = await tus("PATCH", `/uploads/${id}`, headers, file.slice(offset, offset + (4 << 20)));
    // 409 says how far the server has come, when the answer to an earlier part got lost.
    if (!sent.ok && sent.status !== 409) throw new Error((await sent.json()).detail);
    offset = Number(sent.headers.get("upload-offset"));
  }
  show(file.size);
  localStorage.removeItem(known);
  return id;
}

/** Has the form of `/new` send its file in parts. */
function offerUpload() {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  form.classList.add("scripted");
  for (const field of form.querySelectorAll(".plain-only input")) field.disabled = true;
  const [input, sending, button] = ["input[type=file]", ".sending", "button"].map((found) => form.querySelector(found));
  const [bar, words] = [sending.querySelector("progress"), sending.querySelector("p")];
  const drop = form.querySelector(".drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = input.files[0];
    if (!file) return;
    button.disabled = true;
    sending.hidden = false;
    const mib = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
    try {
      const id = await send(file, (sent) => {
        bar.value = sent / Math.max(file.size, 1);
        words.textContent = `${mib(sent)} of ${mib(file.size)}`;
      });
      location.assign(`/new/${id}`);
    } catch (error) {
      words.textContent = error.message;
      button.disabled = false;
    }
  });
}

/** There is one label, one split and one time: the column that was it before is a field again. */
function keepRolesApart() {
  document.querySelector("table.columns")?.addEventListener("change", (event) => {
    const role = event.target.value;
    if (event.target.type !== "radio" || !["label", "split", "time"].includes(role)) return;
    for (const other of document.querySelectorAll(`table.columns input[value=${role}]:checked`)) {
      if (other !== event.target) other.closest("fieldset").querySelector("input[value=field]").checked = true;
    }
  });
}

offerCopies();
offerUpload();
keepRolesApart();
listenToKeys();
follow();
poll();
