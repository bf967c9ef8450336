/** What an agent asks people before it does it: answered from any window, once, whatever is restarted meanwhile. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

const stage = setStage()

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const pinned = (window: Window): Promise<string[]> =>
  window.page.locator('.approval.pinned').evaluateAll((found) => found.map((it) => it.getAttribute('aria-label') ?? ''))
const states = (window: Window): Promise<(string | undefined)[]> =>
  window.page.locator('.card.approval').evaluateAll((found) => found.map((it) => (it as HTMLElement).dataset['state']))
const ASKS = ['Approval needed: Pay money back?']

test('[T3] answered by whoever asked, or not at all, for the whole conversation: what is more, or another asks, is asked again', async () => {
  const [a, b] = await two()
  await a.say('Refund me $80 of order 1042')
  await until(each([a, b], pinned), 'asked in both').toEqual([ASKS, ASKS])
  const words = await b.page.locator('.approval.pinned').innerText()
  expect(words).toMatch(/Amount[\s\S]*how much to pay back[\s\S]*\$80\.00[\s\S]*until/)
  expect(await b.status('returns')).toBe('suspended')
  await b.page.getByRole('button', { name: 'Approve', exact: true }).click()
  await until(() => b.page.locator('.approval.pinned .refused').allInnerTexts(), 'not his to answer').toEqual([
    'That answer did not count: only whoever asked for this, or support, can answer',
  ])
  expect(await a.page.locator('.approval.pinned .refused').count(), 'which is his affair').toBe(0)
  expect(await a.status('returns')).toBe('suspended')
  // By the keyboard alone.
  await a.page.getByRole('button', { name: 'Approve for this conversation' }).focus()
  await a.page.keyboard.press('Enter')
  await until(
    each([a, b], (window) => window.status('returns')),
    'done',
  ).toEqual(['complete', 'complete'])
  expect(await each([a, b], pinned)()).toEqual([[], []])
  expect(await a.page.locator('.card.approval .outcome').innerText()).toContain('Approved by you · for this conversation')
  expect(await a.reply('returns').innerText()).toContain('$80.00 of order 1042 are on their way back')

  await a.say('Refund me $60 of order 1042')
  await until(async () => (await a.texts()).at(-1), 'not asked again').toContain('$60.00 of order 1042 are on their way back')
  expect(await states(a)).toEqual(['approved'])
  await b.say('Refund me $70 of order 1042')
  await until(() => pinned(b), 'another asks').toEqual(ASKS)
  await b.page.getByRole('button', { name: 'Deny' }).click()
  await until(() => pinned(a), 'denied').toEqual([])
  await a.say('Refund me $90 of order 1038')
  await until(() => pinned(a), 'more is asked for').toEqual(ASKS)
})

test('[T3] denied after a reload: nothing is done, the agent says so, and the conversation goes on', async () => {
  const [a, b] = await two()
  await a.say('Refund me $120 of order 1042')
  await until(each([a, b], pinned), 'asked').toEqual([ASKS, ASKS])
  await a.page.reload()
  await until(() => pinned(a), 'still asked').toEqual(ASKS)
  await a.page.getByRole('button', { name: 'Deny' }).click()
  await until(each([a, b], states), 'denied').toEqual([['denied'], ['denied']])
  await until(() => b.status('returns'), 'to the end').toBe('complete')
  expect(await b.reply('returns').innerText()).toContain('I have not paid anything back')
  await b.say('What is your return policy?')
  await until(async () => (await b.texts()).at(-1), 'it goes on').toContain('our return policy')
})

test('[T3] all of it is restarted while it waits: it is asked still, and done once', async () => {
  const [a, b] = await two()
  await a.say('Refund me $130 of order 1042')
  await until(each([a, b], pinned), 'asked').toEqual([ASKS, ASKS])
  await b.page.close()
  await stage.demo.kill()
  await stage.demo.start()
  // The run is another process's now, which has come to the same question.
  await until(() => stage.demo.log.filter((line) => /\[returns\] run .*"Refund me \$130/.test(line)).length, 'taken over').toBe(2)
  await until(() => pinned(a), 'asked').toEqual(ASKS)
  await until(() => a.status('returns'), 'it waits').toBe('suspended')
  // A window that has not heard of the restart yet may answer the question of the process that is gone; it is asked once more then.
  const yes = a.page.getByRole('button', { name: 'Approve', exact: true })
  const answered = async (): Promise<string | null> => {
    if ((await yes.count()) > 0) await yes.click({ timeout: 1_000 }).catch(() => {})
    return await a.status('returns')
  }
  await until(answered, 'done').toBe('complete')
  expect(await states(a), 'one question').toEqual(['approved'])
  // Twice would be more than it cost.
  await a.say('Refund me $60 of order 1042')
  await until(() => pinned(a), 'asked').toEqual(ASKS)
  await a.page.getByRole('button', { name: 'Approve', exact: true }).click()
  await until(async () => (await a.texts()).at(-1), 'what is left').toContain('At most $59.00 of order 1042')
})
