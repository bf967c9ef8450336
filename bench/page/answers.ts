/** What a page has to do while an answer comes in that was asked for on it. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { opened, slowDown, until, type Stage } from './stage.ts'
import { traced, type Task } from './trace.ts'

export interface Growth {
  /** Tasks of the page's main thread since the question, by their order. */
  readonly tasks: readonly Task[]
  /** By how much things moved that nobody has moved, as browsers sum it up. */
  readonly shift: number
}

/**
 * Asks on a page, and waits for the answer.
 *
 * @param before answers that the page has shown already: with the first one of all it runs most of its program for the first time
 */
export async function growth(stage: Stage, rate: number, before: number): Promise<Growth> {
  return stage.inBrowser(async (context) => {
    const page = await opened(context, await stage.newLink())
    await slowDown(page, rate)
    // What the page does after its start is none of the answer's.
    await pause(1_500)
    await page.evaluate(() => {
      Object.assign(window, { shift: 0 })
      const seen = window as unknown as { shift: number }
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[])
          if (!entry.hadRecentInput) seen.shift += entry.value
      }).observe({ type: 'layout-shift' })
    })
    await page.getByRole('textbox', { name: 'Message' }).focus()
    const { answer } = stage
    stage.answerWith({ ...answer, text: 'A short answer.' })
    for (let n = 0; n < before; n++) {
      await page.keyboard.insertText('A short answer, please')
      await page.keyboard.press('Enter')
      await answered(page, n + 1)
      await pause(1_000)
    }
    stage.answerWith(answer)
    await page.evaluate(() => Object.assign(window, { shift: 0 }))
    await page.keyboard.insertText('A long answer, please')
    await pause(300)
    const { tasks } = await traced(stage.browser, page, async () => {
      await page.keyboard.press('Enter')
      await answered(page, before + 1)
      await pause(500)
    })
    return { tasks, shift: await page.evaluate(() => (window as unknown as { shift: number }).shift) }
  })
}

/** Resolves when the page shows so many whole answers. */
async function answered(page: Page, count: number): Promise<void> {
  await until(page, `document.querySelectorAll('.reply[data-agent=orders][data-status=complete]').length >= ${count}`)
}
