// The console's keys, countdowns and the panic key. Every page works without it.
"use strict";

const CAREFUL_MS = 700; // a page is this old before it decides: the last key or click was meant for the page before
const ONCE_MS = 5000; // for so long a form that was sent is not sent again; the answer may also never come
const singleKeys = () => localStorage.getItem("frontline.keys") !== "off";
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- clearing the screen, and the way back
let cameFrom = null;

function clearScreen() {
  if (!$("#away").hidden) return;
  cameFrom = document.activeElement;
  $$("dialog[open]").forEach((dialog) => dialog.close());
  $("#screen").hidden = true;
  $("#away").hidden = false;
  document.body.dataset.title = document.title;
  document.title = "Frontline";
  $("#away h2").focus();
}

function comeBack() {
  $("#away").hidden = true;
  $("#screen").hidden = false;
  document.title = document.body.dataset.title;
  if (cameFrom && cameFrom !== document.body) cameFrom.focus();
}

// ---- keys
function types(element) {
  if (!element) return false;
  if (element.isContentEditable || ["TEXTAREA", "SELECT"].includes(element.tagName)) return true;
  return element.tagName === "INPUT" && !["radio", "checkbox", "button", "submit"].includes(element.type);
}

function shown(element) {
  return !element.disabled && element.getClientRects().length > 0;
}

function use(element) {
  if (element.dataset.grid !== undefined) $("input", element).focus();
  else if (element.tagName === "TEXTAREA") element.focus();
  else if (element.type === "radio") {
    element.click();
    element.focus();
    if (element.value === "no_violation") clean();
  } else if (element.tagName === "SUMMARY") {
    element.click();
    element.focus();
    const field = $("select, button", element.parentElement);
    if (element.parentElement.open && field) field.focus();
  } else element.click();
}

// No violation goes with no categories: a choice made before must not linger.
function clean() {
  $$("#decision [name=category]:checked, #decision [name=severity]:checked").forEach((input) => (input.checked = false));
}

function inGrid(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const grid = step && event.target.closest ? event.target.closest("[data-grid]") : null;
  if (!grid) return false;
  const inputs = $$("input", grid);
  inputs[(inputs.indexOf(event.target) + step + inputs.length) % inputs.length].focus();
  return true;
}

document.addEventListener(
  "keydown",
  (event) => {
    const dialog = $("dialog[open]");
    if (!$("#away")) return; // nobody is signed in
    if (event.key === "Escape") {
      if (!dialog) {
        event.preventDefault();
        clearScreen();
      }
      return;
    }
    if (!$("#away").hidden && event.key === "Enter" && event.target.tagName !== "A") {
      event.preventDefault();
      return comeBack();
    }
    if (!$("#away").hidden || dialog || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (types(event.target)) return;
    if (inGrid(event)) return event.preventDefault();
    if (event.repeat) return;
    if (event.key === "?") {
      event.preventDefault();
      return help();
    }
    if (!singleKeys() || event.key.length !== 1) return;
    const wanted = event.key.toLowerCase();
    const element = $$("[data-key]").find((one) => one.dataset.key === wanted && shown(one));
    if (element) {
      event.preventDefault();
      use(element);
    }
  },
  true,
);

// ---- the list of keys
function help() {
  const list = $("#keys dl");
  list.replaceChildren();
  const entries = $$("[data-says]").filter(shown).map((one) => [(one.dataset.key || "Esc").toUpperCase(), one.dataset.says]);
  for (const [key, says] of [...entries, ["?", "This list"]]) {
    const [term, words] = [document.createElement("dt"), document.createElement("dd")];
    term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    words.textContent = says;
    list.append(term, words);
  }
  $("[data-single-keys]").checked = singleKeys();
  $("#keys").showModal();
}

// ---- time
function words(seconds) {
  const minutes = Math.floor(Math.abs(seconds) / 60);
  if (minutes >= 2880) return `${Math.floor(minutes / 1440)} days`;
  if (minutes >= 600) return `${Math.floor(minutes / 60)} h`;
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  if (minutes >= 2) return `${minutes} min`;
  return `${minutes}:${String(Math.floor(Math.abs(seconds) % 60)).padStart(2, "0")} min`;
}

function left(element, name) {
  // Counted from when the page came, by no clock on the wall: those of two machines differ.
  if (element.dataset.from === undefined) element.dataset.from = String(performance.now());
  return Number(element.dataset[name]) - (performance.now() - Number(element.dataset.from)) / 1000;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const element of $$("[data-left]")) {
    const seconds = left(element, "left");
    if (element.dataset.words === "due") say(element, seconds > 0 ? `in ${words(seconds)}` : `late by ${words(seconds)}`);
    else if (element.closest(".undo")) say(element, String(Math.max(0, Math.ceil(seconds))));
    else say(element, words(Math.max(0, seconds)));
    element.classList.toggle("soon", seconds < Number(element.dataset.soon || 0));
  }
  for (const element of $$("[data-gone-in]")) {
    if (left(element, "goneIn") <= 0) {
      const focused = element.contains(document.activeElement);
      element.remove();
      if (focused) $("#main").focus();
    }
  }
  const lease = $("#lease [data-left]");
  const lost = $("#lease.lost") || (lease && left(lease, "left") <= 0);
  $$("#decision button, .other button, .lease-line button").forEach((button) => (button.disabled = Boolean(lost)));
}

// ---- what a click does
function fill(value) {
  const [outcome, severity, categories] = value.split(":");
  $$("#decision [name=outcome]").forEach((input) => (input.checked = input.value === outcome));
  $$("#decision [name=severity]").forEach((input) => (input.checked = input.value === severity));
  $$("#decision [name=category]").forEach((input) => (input.checked = categories.split(",").includes(input.value)));
  const first = $("#decision [name=outcome]:checked");
  if (first) first.focus();
}

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  if (on("[data-careful]") && !document.documentElement.classList.contains("ready")) event.preventDefault();
  else if (on("[data-panic]")) {
    event.preventDefault();
    clearScreen();
  } else if (on("[data-back]")) comeBack();
  else if (on("[data-help]")) help();
  else if (on("[data-change]")) {
    event.preventDefault();
    fill(on("[data-change]").dataset.change);
  } else if (event.target.name === "outcome" && event.target.value === "no_violation") clean();
});
document.addEventListener("change", (event) => {
  if (event.target.dataset.singleKeys !== undefined) localStorage.setItem("frontline.keys", event.target.checked ? "on" : "off");
});

// ---- what is sent
// A second press sends nothing: what it asks for is done by the first one, and would be refused.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return; // those that leave the page where it is
  if (form.dataset.sent !== undefined) return event.preventDefault();
  form.dataset.sent = "";
  setTimeout(() => delete form.dataset.sent, ONCE_MS);
});

function answered(event) {
  const { successful, xhr } = event.detail;
  if (successful && event.target.dataset.dismiss !== undefined) $("[data-case]").classList.add("hintless");
  const failed = $("#failed");
  if (failed) say(failed, successful ? "" : failed.dataset[xhr.status === 401 ? "signedOut" : "failed"]);
}
// Also where no answer came at all: its status is 0 then.
document.addEventListener("htmx:afterRequest", answered);
// A page that the browser kept may show a case that is no longer in hand.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

const helper = $("[data-help]");
if (helper) helper.hidden = false;
setTimeout(() => document.documentElement.classList.add("ready"), CAREFUL_MS);
tick();
setInterval(tick, 500);
