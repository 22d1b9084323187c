// Runs before the first paint, so that a page that was set to dark does not flash.
(function () {
  try {
    const theme = localStorage.getItem("wadm-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // A browser that keeps nothing shows what the system prefers.
  }
})();
