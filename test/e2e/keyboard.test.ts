/** A conversation by the keyboard alone, and how much of it is said to those who hear the page. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const stage = setStage({ DEMO_TOOL_DELAY_MS: '2500', DEMO_LEASE_MS: '60000' })

/** More stops than a page has. */
const MAX_STOPS = 120
/** Said of one answer: that it comes and how it ended, of the agent and of the one it asks, with some room. */
const MAX_CHANGES = 8

/** Goes by Tab (or back) to what has the name, or begins with it. */
async function go({ page }: Window, name: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  const passed: string[] = []
  for (let stop = 0; stop < MAX_STOPS; stop++) {
    const at = await page.evaluate(() => {
      const element = document.activeElement
      return element === document.body ? '' : (element?.getAttribute('aria-label') ?? element?.textContent ?? '')
    })
    if (at.startsWith(name)) return
    passed.push(at)
    await page.keyboard.press(key)
  }
  throw new Error(`No way by ${key} to "${name}", but to ${JSON.stringify([...new Set(passed)])}.`)
}

async function press(window: Window, name: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  await go(window, name, key)
  await window.page.keyboard.press('Enter')
}

async function write(window: Window, text: string): Promise<void> {
  await go(window, 'Message')
  await window.page.keyboard.type(text)
  await window.page.keyboard.press('Enter')
}

const replies = ({ page }: Window): Promise<(string | undefined)[]> =>
  page.locator('.reply').evaluateAll((all) => all.map((it) => (it as HTMLElement).dataset['status']))

test('by keyboard: ask, stop, queue and edit; an answer is announced, not its tokens', async () => {
  const link = await stage.newLink()
  const mia = await stage.join(link, 'Mia')
  await write(mia, 'Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [mia], 'Finding a slot')
  await mia.page.keyboard.press('Escape')
  goOn()
  await until(() => replies(mia), 'stopped').toEqual(['cancelled'])

  await mia.page.evaluate(() => {
    const regions = '[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]'
    const counts = { said: 0, all: 0 }
    Object.assign(window, { counts })
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const element = target instanceof Element ? target : target.parentElement
        counts.all++
        if (element?.closest(regions)) counts.said++
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true })
  })
  await write(mia, 'Book delivery for Friday')
  const goOnAgain = await stage.hold('orders', [mia], 'Finding a slot')
  await write(mia, 'And thank you')
  await until(() => mia.page.locator('.queued').count(), 'it waits').toBe(1)
  await go(mia, 'Edit', 'Shift+Tab')
  await mia.page.keyboard.press('Enter')
  await until(() => mia.page.locator('.queued input').count(), 'being changed').toBe(1)
  await mia.page.keyboard.press('End')
  await mia.page.keyboard.type(' both')
  await mia.page.keyboard.press('Enter')
  await until(() => mia.page.locator('.queued .what').allInnerTexts(), 'changed').toEqual(['And thank you both'])
  goOnAgain()
  await until(() => replies(mia), 'both answered').toEqual(['cancelled', 'complete', 'complete'])
  const { said, all } = await mia.page.evaluate(() => (window as unknown as { counts: { said: number; all: number } }).counts)
  expect(said, 'of two answers').toBeGreaterThan(0)
  expect(said, 'of two answers').toBeLessThanOrEqual(2 * MAX_CHANGES)
  expect(all, 'while the page changed much more often').toBeGreaterThan(4 * said)
})

test('[H1] by keyboard: ask for a human; at the desk take the session over, write, and hand it back; a list that is sorted anew keeps the focus', async () => {
  const [link, another] = await Promise.all([stage.newLink(), stage.newLink()])
  const [lena, noah, ada] = await Promise.all([stage.join(link, 'Lena'), stage.join(another, 'Noah'), stage.desk()])
  const entries = (): Promise<string[]> => ada.page.locator('.desk-entry .who').allInnerTexts()
  await press(lena, 'Talk to a human')
  await until(async () => (await entries())[0], 'at the desk').toBe('Lena')
  await press(ada, 'Lena')
  await until(() => ada.page.locator('.holder-bar[data-state=waiting]').count(), 'it is open').toBe(1)
  await press(ada, 'Take over')
  await until(() => lena.page.locator('.holder-bar').innerText(), 'taken').toContain('Ada is answering')
  await write(ada, 'Hello, this is Ada')
  await until(async () => (await lena.texts()).at(-1), 'to her').toBe('Hello, this is Ada')
  await write(lena, 'Thank you')
  await until(async () => (await ada.texts()).at(-1), 'back').toBe('Thank you')
  await press(ada, 'Hand back', 'Shift+Tab')
  await until(() => lena.page.locator('.holder-bar').count(), 'handed back').toBe(0)
  await go(ada, 'Lena', 'Shift+Tab')
  await press(noah, 'Talk to a human')
  await until(async () => (await entries()).slice(0, 2), 'he goes before her').toEqual(['Noah', 'Lena'])
  expect(await ada.page.evaluate(() => document.activeElement?.querySelector('.who')?.textContent)).toBe('Lena')
})
