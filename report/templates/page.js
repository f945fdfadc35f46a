// Without this script everything is shown, and unfolds all the same.
(() => {
  const form = document.getElementById("filter");
  const claims = [...document.querySelectorAll(".claim")];
  const groups = [...document.querySelectorAll(".group")];
  const words = document.getElementById("words");
  const status = document.getElementById("shown");

  const filter = () => {
    const verdicts = new Set([...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    for (const claim of claims) {
      const found = verdicts.has(claim.dataset.verdict) && wanted.every((word) => claim.dataset.words.includes(word));
      claim.hidden = !found;
      number += found;
    }
    for (const group of groups) group.hidden = !group.querySelector(".claim:not([hidden])");
    status.textContent = `${number} of ${claims.length} claims shown.`;
  };

  const show = (anchor) => {
    const claim = anchor && document.getElementById(decodeURIComponent(anchor.slice(1)));
    if (!claim || !claim.classList.contains("claim")) return;
    if (claim.hidden) { form.reset(); filter(); }
    claim.open = true;
    claim.scrollIntoView();
  };

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("unfold").addEventListener("click", () => {
    for (const claim of claims) if (!claim.hidden) claim.open = true;
  });
  document.getElementById("fold").addEventListener("click", () => {
    for (const claim of claims) claim.open = false;
  });
  window.addEventListener("hashchange", () => show(location.hash));

  // On paper nothing unfolds: everything that is shown is printed open.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });

  form.hidden = false;
  filter();
  show(location.hash);
})();
