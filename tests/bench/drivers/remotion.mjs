// Renders videos with Remotion: what `npx remotion render --concurrency=1 --codec=h264 --crf=20
// --x264-preset=veryfast` does, with the bundle built and the browser opened once.
//
// Says "bench: ready" when it is. Reads "FIRST LAST PATH" lines on standard input; answers each
// with "bench: first" when its first frame is drawn and "bench: end" when the file is finished.
// Ends, with its browser, when its input ends: a bench that dies leaves nothing behind.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(import.meta.url);
const { bundle } = require('@remotion/bundler');
const { openBrowser, renderMedia, selectComposition } = require('@remotion/renderer');

const folder = dirname(process.argv[2]);
const order = JSON.parse(await readFile(process.argv[2], 'utf8'));
const say = (word) => process.stdout.write(`bench: ${word}\n`);
const chrome = { browserExecutable: order.chromium, chromeMode: 'chrome-for-testing' };

let browser;
const lines = createInterface({ input: process.stdin });
lines.on('close', async () => {
  await browser?.close({ silent: true });
  process.exit(0);
});

const serveUrl = await bundle({
  entryPoint: join(folder, 'video.jsx'),
  outDir: join(folder, 'bundle'),
  enableCaching: false,
});
browser = await openBrowser('chrome', chrome);
const shared = { serveUrl, puppeteerInstance: browser, logLevel: 'error', ...chrome };
const composition = await selectComposition({ ...shared, id: 'video', inputProps: {} });
say('ready');

for await (const line of lines) {
  const [, first, last, outputLocation] = line.match(/^(\d+) (\d+) (.*)$/);
  let begun = false;
  await renderMedia({
    ...shared,
    composition,
    outputLocation,
    frameRange: [Number(first), Number(last)],
    concurrency: 1,
    codec: 'h264',
    crf: 20,
    x264Preset: 'veryfast',
    muted: true,
    onProgress: ({ renderedFrames }) => {
      if (!begun && renderedFrames > 0) {
        begun = true;
        say('first');
      }
    },
  });
  say('end');
}
