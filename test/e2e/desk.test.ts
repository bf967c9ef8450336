/** The support desk with several conversations open at once, and several supporters. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

const stage = setStage()

const idOf = (link: string): string => link.split('/').at(-1) ?? ''
const column = (desk: Window, link: string): ReturnType<Window['page']['locator']> =>
  desk.page.locator(`.desk-column[data-session="${idOf(link)}"]`)
const entry = (desk: Window, link: string): ReturnType<Window['page']['locator']> =>
  desk.page.locator(`.desk-entry[data-session="${idOf(link)}"]`)

test('[H2] a button that is pressed while its customer asks for a human is pressed: it stays under the finger', async () => {
  const link = await stage.newLink()
  const [mia, ada] = await Promise.all([stage.join(link, 'Mia'), stage.desk(link)])
  await mia.say('Where is my order 1042?')
  await until(() => ada.status('orders'), 'nothing is under way').toBe('complete')
  await ada.page.setViewportSize({ width: 390, height: 844 })
  const box = await ada.page.getByRole('button', { name: 'Take over' }).boundingBox()
  await ada.page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 2)
  await ada.page.mouse.down()
  const lines = 'The refund is too low, and nobody has told me why that is so, or what I am to do about it now. '
  await mia.say(`${lines.repeat(2)}I want a human`)
  await until(() => ada.page.locator('.holder-bar q').count(), 'there is more to read').toBe(1)
  await ada.page.mouse.up()
  await until(() => mia.page.locator('.holder-bar').getAttribute('data-state'), 'taken').toBe('human')
  await until(() => ada.page.locator('.holder-bar').innerText(), 'she hears so').toContain('You are answering.')
  expect(await ada.page.getByRole('button', { name: 'Hand back' }).count(), 'and may end it').toBe(1)
})

test('[H2] two customers at once: one supporter holds both side by side, a second sees who does', async () => {
  const [one, two] = await Promise.all([stage.newLink(), stage.newLink()])
  const [mia, jonas] = await Promise.all([stage.join(one, 'Mia'), stage.join(two, 'Jonas')])
  await mia.say('I want a human')
  await until(() => mia.page.locator('.holder-bar[data-state=waiting]').count(), 'Mia waits').toBe(1)
  await jonas.say('I want a human too')
  await until(() => jonas.page.locator('.holder-bar[data-state=waiting]').count(), 'Jonas waits').toBe(1)
  const [ada, ben] = await Promise.all([stage.desk(), stage.desk(undefined, 'Ben')])
  const queue = (desk: Window): Promise<string[]> => desk.page.locator('.desk-entry[data-state=waiting] .who').allInnerTexts()
  await until(each([ada, ben], queue), 'the longest wait first').toEqual(Array(2).fill(['Mia', 'Jonas']))
  expect(await entry(ada, one).innerText()).toMatch(/Wants a human · \d+ s/)

  // By the keyboard: down the list, and each opens beside the other.
  await entry(ada, one).focus()
  await ada.page.keyboard.press('Enter')
  await ada.page.keyboard.press('ArrowDown')
  await ada.page.keyboard.press('Enter')
  for (const link of [one, two]) await column(ada, link).getByRole('button', { name: 'Take over' }).click()
  await until(
    each([mia, jonas], (window) => window.page.locator('.holder-bar[data-state=human]').count()),
    'both held',
  ).toEqual([1, 1])
  await until(() => entry(ben, one).locator('.badge').innerText(), 'Ben sees who holds it').toBe('With Ada')
  await entry(ben, one).click()
  await until(() => column(ben, one).locator('.holder-bar').innerText(), 'in the conversation too').toContain('Ada is answering')
  await until(() => column(ada, one).locator('.present .hidden').allInnerTexts(), 'and she sees him').toEqual([
    'Ben, Support',
    'Mia, Customer',
  ])
  // Each column says its own.
  await column(ada, two).getByRole('textbox', { name: 'Message' }).fill('A draft for Jonas')
  const box = column(ada, one).getByRole('textbox', { name: 'Message' })
  await box.fill('Hello Mia')
  await box.press('Enter')
  await until(async () => (await mia.texts()).at(-1), 'to her').toBe('Hello Mia')
  expect((await jonas.texts()).join(), 'not to him').not.toContain('Hello Mia')

  // A list that is longer than the window, here since that is low, leaves the field in sight.
  await ada.page.setViewportSize({ width: 1280, height: 200 })
  const { length, foot } = await ada.page.evaluate(() => ({
    length: document.querySelector('.desk-list nav')?.scrollHeight ?? 0,
    foot: document.querySelector('.composer')?.getBoundingClientRect().bottom ?? Infinity,
  }))
  expect(length, 'a long list').toBeGreaterThan(200 - 52)
  expect(foot).toBeLessThanOrEqual(200)

  // On a phone: tabs, with a mark for what is new behind them; drafts and places stay.
  await ada.page.setViewportSize({ width: 390, height: 844 })
  await column(ada, two).waitFor()
  await until(() => column(ada, one).isVisible(), 'one at a time').toBe(false)
  await mia.say('Thank you')
  const tab = ada.page.getByRole('button', { name: /^Mia/ })
  await until(() => tab.innerText(), 'a mark').toMatch(/Mia\s*1/)
  await tab.click()
  await until(() => column(ada, one).isVisible(), 'hers').toBe(true)
  await until(() => tab.innerText(), 'seen').toBe('Mia')
  await ada.page.getByRole('button', { name: 'Jonas' }).click()
  expect(await column(ada, two).getByRole('textbox', { name: 'Message' }).inputValue()).toBe('A draft for Jonas')

  // Closing changes nothing for the customer.
  await column(ada, two).getByRole('button', { name: 'Close Jonas' }).click()
  await until(() => column(ada, two).count(), 'closed').toBe(0)
  await column(ada, one).getByRole('button', { name: 'Hand back' }).click()
  await until(() => mia.page.locator('.holder-bar').count(), 'handed back').toBe(0)
  expect(await jonas.page.locator('.holder-bar[data-state=human]').count(), 'he is still with her').toBe(1)
})
