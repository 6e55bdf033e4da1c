// A form marked data-once is sent once: a second click while the first is under way does nothing. The server refuses a
// second release anyway; this spares people the fright of a refusal.

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.hasAttribute("data-sent")) event.preventDefault();
    else form.setAttribute("data-sent", "");
  });
}
// Coming back by the back button shows the page as it was left, sent or not.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) form.removeAttribute("data-sent");
});
