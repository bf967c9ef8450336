/** How long a long session takes to be there when all of it is on the device. */
import { setTimeout as pause } from 'node:timers/promises'
/* oxlint-disable no-restricted-imports -- What is measured is the demo, with the words of its own tests. */
import { personIn, talk } from '../../test/e2e/long-session.ts'
/* oxlint-enable no-restricted-imports */
import { opened, slowDown, until, type Stage } from './stage.ts'

/**
 * From the navigation until the last of so many messages is painted, in ms: a second load, all from this device, the server
 * within reach.
 */
export async function firstScreens(stage: Stage, messages: number, rate: number, rounds: number): Promise<number[]> {
  const link = await stage.newLink()
  const last = `Message ${messages}.`
  const sam = await personIn(stage.demo, link, 'Sam')
  await talk(sam, messages)
  await sam.close()
  return stage.inBrowser(async (context) => {
    const warm = await opened(context, link)
    await warm.locator('[role=listitem]', { hasText: last }).waitFor()
    await warm.evaluate(async () => void (await navigator.serviceWorker.ready))
    // The local store writes behind; the page says nowhere that it has.
    await pause(2_000)
    await warm.close()
    await context.addInitScript((text) => {
      const seen = new MutationObserver(() => {
        const row = [...document.querySelectorAll('[role=listitem]')].at(-1)
        if (!row?.textContent?.includes(text)) return
        seen.disconnect()
        requestAnimationFrame(() => setTimeout(() => Object.assign(window, { painted: performance.now() })))
      })
      seen.observe(document, { childList: true, subtree: true, characterData: true })
    }, last)
    const all: number[] = []
    for (let round = 0; round < rounds; round++) {
      const page = await context.newPage()
      await slowDown(page, rate)
      await page.goto(link)
      all.push(await until<number>(page, 'window.painted'))
      await page.close()
    }
    return all
  })
}
