/** How long a long session takes to be there when all of it is on the device. */
import { setTimeout as pause } from 'node:timers/promises'
/* oxlint-disable no-restricted-imports -- What is measured is the demo, with the words of its own tests. */
import { personIn, talk } from '../../test/e2e/long-session.ts'
/* oxlint-enable no-restricted-imports */
import { opened, slowDown, until, type Stage } from './stage.ts'

/** Of each round, in ms from the navigation on. */
export interface FirstScreens {
  /** Until the last messages are painted, be it in the picture of the last screen. */
  readonly seen: readonly number[]
  /** Until the real rows are painted, which can be scrolled, selected and answered. */
  readonly real: readonly number[]
}

/** So long nothing may change before a picture is taken, and the page says nowhere that its local store has written. */
const AT_REST_MS = 3_000

/** The last of so many messages after a second load, all from this device, the server within reach. */
export async function firstScreens(stage: Stage, messages: number, rate: number, rounds: number): Promise<FirstScreens> {
  const link = await stage.newLink()
  const last = `Message ${messages}.`
  const sam = await personIn(stage.demo, link, 'Sam')
  await talk(sam, messages)
  await sam.close()
  return stage.inBrowser(async (context) => {
    const warm = await opened(context, link)
    await warm.locator('[role=listitem]', { hasText: last }).waitFor()
    await warm.evaluate(async () => void (await navigator.serviceWorker.ready))
    await pause(AT_REST_MS)
    await warm.close()
    await context.addInitScript((text) => {
      // After the frame in which it is there. What the page is kept busy with after that counts too.
      const note = (name: string): void =>
        void requestAnimationFrame(() => setTimeout(() => Object.assign(window, { [name]: performance.now() })))
      const waiting = new Map([
        ['pictured', '.last-screen'],
        ['painted', '[role=listitem]'],
      ])
      const seen = new MutationObserver(() => {
        for (const [name, place] of waiting) {
          if (![...document.querySelectorAll(place)].at(-1)?.textContent?.includes(text)) continue
          waiting.delete(name)
          note(name)
        }
      })
      seen.observe(document, { childList: true, subtree: true, characterData: true })
    }, last)
    const all: { readonly seen: number; readonly real: number }[] = []
    for (let round = 0; round < rounds; round++) {
      const page = await context.newPage()
      await slowDown(page, rate)
      await page.goto(`${link}?as=Mia`)
      const real = await until<number>(page, 'window.painted')
      const pictured = await until<{ readonly at: number | null }>(page, '({ at: window.pictured ?? null })')
      all.push({ seen: Math.min(pictured.at ?? real, real), real })
      await page.close()
    }
    return { seen: all.map(({ seen }) => seen), real: all.map(({ real }) => real) }
  })
}
