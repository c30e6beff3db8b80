// Keeps the status page fresh while it is open. Without it the page is the same, only still.
(function () {
  "use strict";
  var main = document.getElementById("innehall"), box = document.getElementById("svar");
  if (!main || !box || !window.fetch || !window.DOMParser) return;
  var staleAfter = Number(box.dataset.staleMinutes) * 60000, waiting = null;
  var loading = false, again = false, soon = null, shown = main.innerHTML;

  var voice = document.createElement("p");
  voice.className = "hidden";
  voice.setAttribute("role", "status");
  document.body.appendChild(voice);

  function show(fresh) {
    // Whoever reads with the keyboard is not moved: the page waits until they have left it.
    if (main.contains(document.activeElement) && document.activeElement !== main) { waiting = fresh; return; }
    waiting = null;
    if (fresh.innerHTML === shown) return age();
    shown = fresh.innerHTML;
    main.querySelectorAll("details").forEach(function (old) {
      var now = fresh.querySelector("#" + CSS.escape(old.id));
      if (now && old.dataset.touched) { now.open = old.open; now.dataset.touched = "1"; }
    });
    var said = main.querySelector("h1").textContent, says = fresh.querySelector("h1").textContent;
    main.replaceChildren.apply(main, Array.from(fresh.childNodes));
    if (said !== says) voice.textContent = says;
    age();
  }
  function load() {
    if (loading) { again = true; return; }
    loading = true;
    // What happened is not in what the browser kept.
    fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-cache" }).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      return answer.text();
    }).then(function (text) {
      var page = new DOMParser().parseFromString(text, "text/html"), fresh = page.getElementById("innehall");
      if (fresh && fresh.querySelector("h1")) { document.title = page.title; show(fresh); }
    }).catch(age).finally(function () {
      loading = false;
      if (again) { again = false; load(); }
    });
  }
  function age() {
    var stamp = document.getElementById("kontrollerat"), old = document.getElementById("gammal");
    if (stamp && old) old.hidden = Date.now() - Date.parse(stamp.dateTime) < staleAfter;
  }
  main.addEventListener("click", function (event) {
    var summary = event.target.closest("summary");
    if (summary) summary.parentNode.dataset.touched = "1";
  });
  main.addEventListener("focusout", function () { setTimeout(function () { if (waiting) show(waiting); }, 0); });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) load(); });
  setInterval(function () { if (!document.hidden) load(); }, 60000);
  if (window.EventSource) {
    var source = new EventSource(box.dataset.events);
    // The page may be older than the stream; what comes together is fetched once.
    source.onopen = source.onmessage = function () { clearTimeout(soon); soon = setTimeout(load, 50); };
  }
  age();
})();
