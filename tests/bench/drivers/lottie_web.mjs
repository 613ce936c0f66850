// Draws frames of a Lottie animation with lottie-web in one Chromium page and screenshots them.
//
// Says "bench: ready" when it is. Reads "FIRST LAST" lines on standard input; answers each with
// that many pictures on standard output (four bytes of length, then a JPEG). Ends, with its
// browser, when its input ends: a bench that dies leaves nothing behind.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import puppeteer from 'puppeteer-core';

const order = JSON.parse(await readFile(process.argv[2], 'utf8'));
const browser = await puppeteer.launch({
  executablePath: order.chromium,
  pipe: true,
  args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--disable-breakpad'],
  defaultViewport: { width: order.width, height: order.height },
});
const lines = createInterface({ input: process.stdin });
lines.on('close', async () => {
  await browser.close();
  process.exit(0);
});

const page = await browser.newPage();
await page.setContent(
  '<!doctype html><style>html, body, #stage { margin: 0; height: 100%; overflow: hidden }</style>' +
    '<div id="stage"></div>',
);
await page.addScriptTag({
  path: createRequire(import.meta.url).resolve('lottie-web/build/player/lottie.min.js'),
});
await page.evaluate(async ({ animation, fonts }) => {
  for (const { family, weight, data } of fonts) {
    document.fonts.add(await new FontFace(family, `url(${data})`, { weight }).load());
  }
  window.player = window.lottie.loadAnimation({
    container: document.getElementById('stage'),
    renderer: 'svg', // the canvas one draws no effects
    autoplay: false,
    animationData: animation,
  });
  if (!window.player.isLoaded) {
    await new Promise((loaded) => window.player.addEventListener('DOMLoaded', loaded));
  }
}, order);
process.stdout.write('bench: ready\n');

for await (const line of lines) {
  const [first, last] = line.split(' ').map(Number);
  for (let frame = first; frame <= last; frame += 1) {
    await page.evaluate((at) => window.player.goToAndStop(at, true), frame);
    const picture = await page.screenshot({ type: 'jpeg', quality: 80, optimizeForSpeed: true });
    const size = Buffer.alloc(4);
    size.writeUInt32BE(picture.length);
    process.stdout.write(size);
    process.stdout.write(picture);
  }
}
