/** A support desk that falls silent. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

const stage = setStage({ DEMO_IDLE_RETURN_MS: '3000' })

test('[D10] when the desk is silent for long the assistant is back by itself, says so, and answers what was left', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  const desk = await stage.desk(link)
  await desk.page.getByRole('button', { name: 'Take over' }).click()
  await until(() => a.page.locator('.holder-bar[data-state=human]').count(), 'paused').toBe(1)
  await a.say('Where is my order 1042?')
  const idle = (window: Window): Promise<number> => window.page.locator('[data-handover=idle]').count()
  await until(each([a, b, desk], idle), 'it says so, to all').toEqual([1, 1, 1])
  await until(
    each([a, b], (window) => window.status('orders')),
    'answered',
  ).toEqual(['complete', 'complete'])
  expect(await b.reply('orders').innerText()).toContain('1042')
  expect(await a.page.locator('.holder-bar').count()).toBe(0)
})
