/** Alternatives in the browser: edits, other answers, and the pager between them. */
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

// Steps that are long enough to be stopped in; a lease that outlasts an agent that is held up on purpose.
const stage = setStage({ DEMO_TOOL_DELAY_MS: '800', DEMO_LEASE_MS: '60000' })

const PHONE = { width: 390, height: 844 }

/** What people said and how the replies stand, from top to bottom. */
async function line(window: Window): Promise<string[]> {
  return (await window.messages()).map(({ author, text, status }) => (status === '' ? text : `${author}: ${status}`))
}

const pagers = (window: Window): Promise<string[]> => window.page.locator('.pager span').allInnerTexts()
const press = (window: Window, name: string, at = 0): Promise<void> =>
  window.page.getByRole('button', { name, exact: true }).nth(at).click()

/** Height and width of what is pressed, the smaller of both, for the first button of a name. */
async function size(page: Page, name: string): Promise<number> {
  const box = await page.getByRole('button', { name, exact: true }).first().boundingBox()
  return Math.min(box?.width ?? 0, box?.height ?? 0)
}

test('[B1] a message is edited: the old branch is hidden, comes back by the pager, and the choice is kept here and not there', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const b = await stage.join(link, 'Mia')
  await a.page.setViewportSize(PHONE)
  const product = 'Show me the XM headphones'
  const order = 'Where is my order 1042?'
  await a.say(product)
  await until(() => a.status('orders'), 'answered').toBe('complete')
  await a.say(order)
  const old = [product, 'Orders: complete', order, 'Orders: complete']
  await until(each([a, b], line), 'two turns').toEqual([old, old])

  // From the empty composer, by keyboard alone, and given up again.
  await a.composer.press('ArrowUp')
  const editor = a.page.getByRole('textbox', { name: 'Edit the message' })
  await until(() => editor.inputValue(), 'the last own message').toBe(order)
  await editor.press('Escape')
  await until(() => editor.count(), 'closed').toBe(0)

  await a.page.locator('.message[data-mine]').first().hover()
  await press(a, 'Edit')
  await editor.fill('Show me the Halden Quiet 7')
  await editor.press('Enter')
  const now = ['Show me the Halden Quiet 7', 'Orders: complete']
  await until(each([a, b], line), 'the new branch, on both devices').toEqual([now, now])
  expect(await pagers(a)).toEqual(['2/2'])

  await press(a, 'Previous version')
  await until(() => line(a), 'the old one').toEqual(old)
  expect(await pagers(a)).toEqual(['1/2'])
  await a.page.reload()
  await until(() => line(a), 'still chosen').toEqual(old)
  expect(await line(b), 'the other device has its own').toEqual(now)

  // What is said there is answered there.
  await a.say('Where’s the nearest store?')
  await until(async () => (await line(a)).slice(0, 5), 'in the old branch').toEqual([...old, 'Where’s the nearest store?'])
  expect(await line(b)).toEqual(now)
})

test('[B1] an edit written offline and a message written meanwhile come together in one line', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  const b = await stage.join(link, 'Jonas')
  await a.say('Show me the XM headphones')
  await until(
    each([a, b], (window) => window.status('orders')),
    'answered',
  ).toEqual(['complete', 'complete'])
  await a.context.setOffline(true)
  await a.page.locator('.message[data-mine]').first().hover()
  await press(a, 'Edit')
  const editor = a.page.getByRole('textbox', { name: 'Edit the message' })
  await editor.fill('Show me the Halden Quiet 7')
  await editor.press('Enter')
  expect(await line(a)).toEqual(['Show me the Halden Quiet 7'])
  await b.say('Thank you')
  await until(() => b.deliveries(), 'there').toEqual(['sent'])
  await a.context.setOffline(false)
  for (const window of [a, b]) {
    await until(async () => (await line(window)).filter((text) => !text.includes(':')), 'both, in one line').toEqual([
      'Thank you',
      'Show me the Halden Quiet 7',
    ])
  }
})

test('[B2] regenerate, back, and once more: 3/3, the others stay; on a phone every button can be hit', async () => {
  const link = await stage.newLink()
  const a = await stage.join(link, 'Mia')
  await a.say('Show me the XM headphones')
  await until(() => a.status('orders'), 'answered').toBe('complete')
  const first = await a.reply('orders').innerText()
  expect(await pagers(a)).toEqual([])
  await a.reply('orders').hover()
  await press(a, 'Regenerate')
  await until(() => pagers(a), 'beside the first').toEqual(['2/2'])
  await until(() => line(a), 'one reply is shown').toEqual(['Show me the XM headphones', 'Orders: complete'])
  await press(a, 'Previous version')
  await until(() => pagers(a), 'back').toEqual(['1/2'])
  expect((await a.reply('orders').innerText()).replace('1/2', '').replaceAll(/\s/g, '')).toBe(first.replaceAll(/\s/g, ''))
  await a.reply('orders').hover()
  await press(a, 'Regenerate')
  await until(() => pagers(a), 'the third').toEqual(['3/3'])
  await until(() => a.status('orders'), 'answered').toBe('complete')
  // By keyboard: to the pager, and back to the second.
  await a.page.getByRole('button', { name: 'Previous version' }).focus()
  await a.page.keyboard.press('Enter')
  await until(() => pagers(a), 'the second').toEqual(['2/3'])
  await a.page.reload()
  await until(() => pagers(a), 'kept').toEqual(['2/3'])
  // What takes the focus is seen.
  await a.page.getByRole('button', { name: 'Copy', exact: true }).first().focus()
  await until(
    () =>
      a.page
        .getByRole('button', { name: 'Copy', exact: true })
        .first()
        .evaluate((it) => getComputedStyle(it).opacity),
    'seen with the focus',
  ).toBe('1')
  const session = await a.context.newCDPSession(a.page)
  await a.page.setViewportSize(PHONE)
  await session.send('Emulation.setTouchEmulationEnabled', { enabled: true })
  await until(() => size(a.page, 'Previous version'), 'a finger fits').toBeGreaterThanOrEqual(44)
})

test('a reply that was stopped can be asked for again; where that is refused it says why', async () => {
  const link = await stage.newLink()
  const [a, desk] = await Promise.all([stage.join(link, 'Mia'), stage.desk(link)])
  await a.say('Research noise-cancelling headphones under $300')
  // Held, so that what is to be cancelled is not over before the click, however slow the machine is.
  const goOn = await stage.hold('research', [a], 'Searching the catalogue')
  await a.page.getByRole('button', { name: 'Cancel' }).first().click()
  goOn()
  await until(() => a.status('research'), 'stopped').toBe('cancelled')
  await press(desk, 'Take over')
  await until(() => a.page.locator('.holder-bar[data-state=human]').count(), 'Ada answers').toBe(1)
  await press(a, 'Ask again')
  const refused = a.page.locator('.ending[data-ending=refused]')
  await until(() => refused.allInnerTexts(), 'refused').toEqual(['No other answer: the assistant is paused.'])
  await until(() => a.page.locator('[role=alert].hidden').innerText(), 'is heard').toContain('No other answer')
  await press(desk, 'Hand back')
  await until(() => a.page.locator('.holder-bar').count(), 'handed back').toBe(0)
  await press(a, 'Ask again')
  await until(() => pagers(a), 'another').toEqual(['2/2'])
  await until(() => a.status('research'), 'to its end').toBe('complete')
  expect(await line(a)).toEqual(['Research noise-cancelling headphones under $300', 'Research: complete'])
  expect(await refused.count()).toBe(0)
})
