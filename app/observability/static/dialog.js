// The crash-report dialog of Sentry.showReportDialog(), served by the service itself. Reads its options from its own
// address, builds everything with the DOM (nothing is parsed as HTML) and needs no inline style or script.
(function () {
  "use strict";
  var script = document.currentScript;
  var address = new URL(script.src);
  var options = address.searchParams;
  var folder = address.pathname.replace(/api\/embed\/error-page\/$/, "");

  function text(name, fallback) { return options.get(name) || fallback; }

  function make(tag, properties, children) {
    var element = document.createElement(tag);
    Object.keys(properties || {}).forEach(function (name) { element[name] = properties[name]; });
    (children || []).forEach(function (child) { element.appendChild(child); });
    return element;
  }

  function field(label, input) {
    return make("label", { className: "obs-field", textContent: label }, [input]);
  }

  var style = make("link", { rel: "stylesheet", href: address.origin + folder + "dialog.css" });
  var name = make("input", { name: "name", type: "text", maxLength: 128, value: text("name", ""), autocomplete: "name" });
  var email = make("input", { name: "email", type: "email", maxLength: 75, value: text("email", ""), autocomplete: "email" });
  var comments = make("textarea", { name: "comments", rows: 6, maxLength: 4096, required: true });
  var status = make("p", { className: "obs-status" });
  status.setAttribute("role", "status");
  var close = make("button", { type: "button", textContent: text("labelClose", "Close") });
  var submit = make("button", { type: "submit", textContent: text("labelSubmit", "Send report") });
  var form = make("form", {}, [
    make("h2", { id: "obs-title", textContent: text("title", "Something went wrong") }),
    make("p", { textContent: text("subtitle", "Our team has been notified.") + " " +
      text("subtitle2", "Tell us what happened, if you like.") }),
    field(text("labelName", "Name"), name),
    field(text("labelEmail", "Email"), email),
    field(text("labelComments", "What happened?"), comments),
    status,
    make("div", { className: "obs-buttons" }, [submit, close])
  ]);
  var dialog = make("div", { className: "sentry-error-embed obs-dialog" }, [form]);
  dialog.setAttribute("role", "dialog");
  dialog.setAttribute("aria-modal", "true");
  dialog.setAttribute("aria-labelledby", "obs-title");
  var overlay = make("div", { className: "sentry-error-embed-wrapper obs-overlay" }, [dialog]);

  function leave() {
    document.removeEventListener("keydown", onKey);
    overlay.remove();
    style.remove();
    script.remove();
    window.postMessage("__sentry_reportdialog_closed__", "*");
  }

  function onKey(event) { if (event.key === "Escape") { leave(); } }

  function onSubmit(event) {
    event.preventDefault();
    submit.disabled = true;
    var body = new URLSearchParams({ name: name.value, email: email.value, comments: comments.value });
    fetch(address.href, { method: "POST", body: body, headers: { Accept: "application/json" } })
      .then(function (answer) {
        return answer.json().then(function (data) {
          status.textContent = answer.ok ? text("successMessage", data.detail) : data.detail;
          if (answer.ok) {
            [name, email, comments].forEach(function (input) { input.parentNode.remove(); });
            submit.remove();
            close.focus();
          } else {
            submit.disabled = false;
          }
        });
      })
      .catch(function () {
        status.textContent = text("errorGeneric", "The report could not be sent. Please try again.");
        submit.disabled = false;
      });
  }

  form.addEventListener("submit", onSubmit);
  close.addEventListener("click", leave);
  document.addEventListener("keydown", onKey);
  document.head.appendChild(style);
  document.body.appendChild(overlay);
  comments.focus();
})();
