// Sets the colour theme before the first paint: what the visitor chose, otherwise what the system prefers.
(() => {
  const THEMES = ["auto", "light", "dark"];
  const key = "generic-consumer.theme";
  const root = document.documentElement;
  const saved = () => {
    try { return localStorage.getItem(key); } catch { return null; } // storage may be blocked
  };
  const save = (theme) => {
    try { localStorage.setItem(key, theme); } catch { /* then the choice lasts until the page is closed */ }
  };
  root.dataset.theme = THEMES.includes(saved()) ? saved() : "auto";

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => {
      button.textContent = root.dataset.theme;
      button.title = `Theme: ${root.dataset.theme}`;
      button.setAttribute("aria-label", button.title);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      save(root.dataset.theme);
      label();
      document.dispatchEvent(new Event("themechange"));
    });
    matchMedia("(prefers-color-scheme: dark)")
      .addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
    label();
  });
})();
