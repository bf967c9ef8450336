/** What a page has to do while an answer comes in that was asked for on it. */
import { setTimeout as pause } from 'node:timers/promises'
import { opened, slowDown, type Stage } from './stage.ts'
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
    const field = page.getByRole('textbox', { name: 'Message' })
    const answered = page.locator('.reply[data-agent=orders][data-status=complete]')
    const { answer } = stage
    stage.answerWith({ ...answer, text: 'A short answer.' })
    for (let n = 0; n < before; n++) {
      await field.fill('A short answer, please')
      await field.press('Enter')
      await answered.nth(n).waitFor()
      await pause(1_000)
    }
    stage.answerWith(answer)
    await page.evaluate(() => Object.assign(window, { shift: 0 }))
    await field.fill('A long answer, please')
    await pause(300)
    const { tasks } = await traced(stage.browser, page, async () => {
      await field.press('Enter')
      await answered.nth(before).waitFor({ timeout: 60_000 })
      await pause(500)
    })
    return { tasks, shift: await page.evaluate(() => (window as unknown as { shift: number }).shift) }
  })
}
