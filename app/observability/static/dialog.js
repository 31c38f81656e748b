// The crash-report dialog of Sentry.showReportDialog(), served by the service itself. Reads its options from its own
// address, builds everything with the DOM (nothing is parsed as HTML) and needs no inline style or script.
(function () {
  "use strict";
  var sendsPerson = SENDS_PERSON; // the server writes true or false here
  var script = document.currentScript;
  var address = new URL(script.src);
  var options = address.searchParams;
  var ownAddress = address.origin + address.pathname;
  var before = document.activeElement;

  function text(name, fallback) { return options.get(name) || fallback; }

  function make(tag, properties, children) {
    var element = document.createElement(tag);
    Object.keys(properties || {}).forEach(function (name) { element[name] = properties[name]; });
    (children || []).forEach(function (child) { element.appendChild(child); });
    return element;
  }

  function field(label, hint, input) {
    var title = make("span", { textContent: label });
    var note = make("small", { textContent: hint });
    return make("label", { className: "obs-field" }, hint ? [title, note, input] : [title, input]);
  }

  var style = make("link", { rel: "stylesheet", href: ownAddress.replace(/error-page\/$/, "dialog.css") });
  var hint = sendsPerson ? "optional" : "optional, not passed on";
  var name = make("input", { name: "name", type: "text", maxLength: 128, value: text("name", ""), autocomplete: "name" });
  var email = make("input", { name: "email", type: "email", maxLength: 75, value: text("email", ""), autocomplete: "email" });
  var comments = make("textarea", { name: "comments", rows: 5, maxLength: 4096, required: true });
  var status = make("p", { className: "obs-status" });
  status.setAttribute("role", "status");
  var close = make("button", { type: "button", textContent: text("labelClose", "Close") });
  var submit = make("button", { type: "submit", textContent: text("labelSubmit", "Send report") });
  var intro = make("p", { textContent: text("subtitle", "Our team has been notified.") + " " +
    text("subtitle2", "Tell us what happened, if you like.") });
  var fields = make("div", {}, [
    field(text("labelComments", "What happened?"), "", comments),
    field(text("labelName", "Name"), hint, name),
    field(text("labelEmail", "Email"), hint, email)
  ]);
  var form = make("form", {}, [
    make("h2", { id: "obs-title", textContent: text("title", "Something went wrong") }),
    intro,
    fields,
    status,
    make("div", { className: "obs-buttons" }, [submit, close])
  ]);
  var dialog = make("dialog", { className: "sentry-error-embed obs-dialog" }, [form]);
  dialog.setAttribute("aria-labelledby", "obs-title");

  function leave() {
    dialog.remove();
    style.remove();
    script.remove();
    if (before && before.focus) { before.focus(); }
    window.postMessage("__sentry_reportdialog_closed__", "*"); // what the SDK's onClose listens for
  }

  function say(words, isBad) {
    status.textContent = words;
    status.className = isBad ? "obs-status obs-bad" : "obs-status";
    submit.disabled = false;
  }

  function onSubmit(event) {
    event.preventDefault();
    submit.disabled = true;
    var body = new URLSearchParams({
      event_id: text("eventId", ""), name: name.value, email: email.value, comments: comments.value
    });
    fetch(ownAddress, { method: "POST", body: body, credentials: "omit", headers: { Accept: "application/json" } })
      .then(function (answer) {
        return answer.json().then(function (data) {
          if (!answer.ok) { say(text("errorFormEntry", data.detail), true); return; }
          say(text("successMessage", "Thank you. " + data.detail), false);
          intro.remove();
          fields.remove();
          submit.remove();
          close.focus();
        });
      })
      .catch(function () { say(text("errorGeneric", "The report could not be sent. Please try again."), true); });
  }

  function open() {
    if (dialog.open) { return; }
    document.body.appendChild(dialog);
    dialog.showModal(); // the browser keeps focus inside, and Escape closes it
    comments.focus();
  }

  form.addEventListener("submit", onSubmit);
  close.addEventListener("click", function () { dialog.close(); });
  dialog.addEventListener("close", leave);
  style.addEventListener("load", open); // never shown unstyled
  style.addEventListener("error", open);
  document.head.appendChild(style);
})();
