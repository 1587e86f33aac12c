let latest = Date.now();
setInterval(async () => {
  const note = document.getElementById("note");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(4000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
    document.title = page.title;
    note.textContent = page.getElementById("note").textContent;
    latest = Date.now();
  } catch {
    note.textContent = `The instance has not answered for ${Math.round((Date.now() - latest) / 1000)} s: what is shown is as old.`;
  }
}, 5000);
