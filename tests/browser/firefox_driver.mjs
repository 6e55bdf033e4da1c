// One Firefox with one page, driven over WebDriver BiDi: a call a line on standard input, an answer a line on standard
// output. Playwright drives only a Firefox of its own making; this one is the distribution's.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [executablePath, prefs] = process.argv.slice(2);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: JSON.parse(prefs),
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
await page.setViewport({ width: 1280, height: 800 });

const calls = {
  goto: (url) => page.goto(url, { waitUntil: "load" }).then(() => null),
  // A browser's own click, once the thing is there, visible and enabled.
  click: (selector) => page.locator(selector).click(),
  fill: (selector, text) => page.locator(selector).fill(text),
  wait: (selector) => page.waitForSelector(selector, { visible: true }).then(() => null),
  evaluate: (source, argument) => page.evaluate(`(${source})(${JSON.stringify(argument)})`),
  // Runs in every document before its own scripts.
  early: (source) => page.evaluateOnNewDocument(`(${source})()`).then(() => null),
  version: () => browser.version(),
};

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  try {
    say({ result: (await calls[call](...args)) ?? null });
  } catch (error) {
    say({ error: `${call} ${JSON.stringify(args).slice(0, 200)}: ${error.message}` });
  }
}
await browser.close();
