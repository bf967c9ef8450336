/**
 * Draws the demo's icons as PNG from demo/public/icon.svg, for systems that install no SVG: `node scripts/icons.mjs`. What it
 * makes is kept in the repository; run it again after the drawing has changed.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { findChromium } from './chromium.mjs'
import { ROOT } from './phase.mjs'

const FOLDER = join(ROOT, 'demo', 'public')

/** A whole square where the system cuts the shape itself; `part`: how much of it the drawing takes. */
const ICONS = [
  { name: 'icon-192.png', size: 192, square: false, part: 1 },
  { name: 'icon-512.png', size: 512, square: false, part: 1 },
  { name: 'icon-180.png', size: 180, square: true, part: 1 },
  // All that counts within the circle of four fifths that every mask leaves.
  { name: 'icon-maskable-512.png', size: 512, square: true, part: 0.86 },
]

const svg = readFileSync(join(FOLDER, 'icon.svg'), 'utf8')
const ground = /<rect[^>]* fill="(#[0-9a-f]{6})"/.exec(svg)?.[1]
if (ground === undefined) throw new Error('icon.svg has no <rect> with a fill to be its ground.')

const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
try {
  const page = await browser.newPage()
  for (const { name, size, square, part } of ICONS) {
    await page.setViewportSize({ width: size, height: size })
    const style = `margin: 0; display: grid; place-content: center; height: 100vh; background: ${square ? ground : 'transparent'}`
    const drawn = svg.replace('<svg ', `<svg width="${size * part}" height="${size * part}" `)
    await page.setContent(`<body style="${style}">${drawn}</body>`)
    await page.screenshot({ path: join(FOLDER, name), omitBackground: !square })
  }
} finally {
  await browser.close()
}
