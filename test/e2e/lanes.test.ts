/** Saying more while an agent works, and stopping it before it does. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

// Long enough to be seen in the middle of a step; a lease that outlasts an agent that is held up on purpose.
const stage = setStage({ DEMO_TOOL_DELAY_MS: '2500', DEMO_LEASE_MS: '60000' })

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const fates = (window: Window): Promise<(string | undefined)[]> =>
  window.page.locator('.fate').evaluateAll((lines) => lines.map((line) => (line as HTMLElement).dataset['fate']))

test('[D7] a change from the other window is taken by the run that is under way, which says so', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [b], 'Finding a slot')
  await b.composer.fill('make it Wednesday')
  await b.page.getByRole('button', { name: 'Steer' }).click()
  await until(each([a, b], fates), 'on its way, in both').toEqual([['steering'], ['steering']])
  goOn()
  await until(each([a, b], fates), 'taken, in both').toEqual([['taken'], ['taken']])
  expect(await b.page.locator('.fate').innerText()).toMatch(/Change taken at step \d/)
  await until(
    each([a, b], (window) => window.status('orders')),
    'to the end',
  ).toEqual(['complete', 'complete'])
  for (const window of [a, b]) {
    expect(await window.page.locator('.reply').count(), 'one run').toBe(1)
    expect(await window.reply('orders').innerText()).toMatch(/Wednesday instead of Tuesday/)
  }
})

test('[D7] a change that comes when nothing is under way any more is said to be too late, and is answered in its turn', async () => {
  const [a, b] = await two()
  await a.say('Show me the XM headphones')
  await until(() => b.status('orders'), 'it works, as he sees it').toBe('active')
  const goOn = stage.demo.freeze('orders')
  await b.context.setOffline(true)
  await b.composer.fill('make it the Halden Quiet 7')
  await b.page.getByRole('button', { name: 'Steer' }).click()
  goOn()
  await until(() => a.status('orders'), 'done meanwhile').toBe('complete')
  await b.context.setOffline(false)
  await until(each([a, b], fates), 'not taken').toEqual([['queued'], ['queued']])
  expect(await b.page.locator('.fate').innerText()).toContain('not taken: nothing was under way')
  await until(
    each([a, b], (window) => window.page.locator('.reply[data-status=complete]').count()),
    'answered in its turn',
  ).toEqual([2, 2])
  expect(await each([a, b], (window) => window.page.locator('.fate').innerText())(), 'it waits no more').toEqual(
    Array(2).fill('Change not taken: nothing was under way'),
  )
})

test('[G8] what waits for its turn is seen by all and changed by its author; a change that comes too late is offered again', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [b], 'Finding a slot')
  await b.say('And thank you')
  const queued = b.page.locator('.queued')
  await until(
    each([a, b], (window) => window.page.locator('.queued').count()),
    'it waits',
  ).toEqual([1, 1])
  await queued.getByRole('button', { name: 'Edit' }).click()
  await queued.getByRole('textbox').fill('And thank you both')
  await queued.getByRole('textbox').press('Enter')
  await until(() => a.page.locator('.queued .what').innerText(), 'changed').toBe('Jonas: And thank you both')
  expect(await a.page.locator('.queued').getByRole('button').count(), 'it is his').toBe(0)
  await b.context.setOffline(true)
  await queued.getByRole('button', { name: 'Edit' }).click()
  await queued.getByRole('textbox').fill('Show me the XM headphones')
  await queued.getByRole('textbox').press('Enter')
  goOn()
  await until(() => a.page.locator('.reply[data-status=complete]').count(), 'answered in its turn').toBe(2)
  expect(await a.reply('orders').innerText()).toContain('And thank you both')
  expect(await a.page.locator('.reply .took').allInnerTexts(), 'how long each took').toEqual(
    Array(2).fill(expect.stringMatching(/^Took\s*\d+(\.\d)? s$/)),
  )
  await b.context.setOffline(false)
  await until(() => b.page.locator('.fate[data-fate=late]').innerText(), 'his words are there').toContain(
    'Show me the XM headphones',
  )
  expect(await queued.count()).toBe(0)
  expect(await a.page.locator('.fate[data-fate=late]').count(), 'which is his affair').toBe(0)
  await b.page.getByRole('button', { name: 'Edit again' }).click()
  await b.page.getByRole('textbox', { name: 'Edit the message' }).press('Enter')
  await until(async () => (await a.texts()).at(-2), 'as another version').toBe('Show me the XM headphones')
})

test('[G8] what waits can be taken back', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [b], 'Finding a slot')
  await b.say('Show me the XM headphones')
  await b.page.locator('.queued').getByRole('button', { name: 'Remove' }).click()
  await until(each([a, b], fates), 'taken back').toEqual([['removed'], ['removed']])
  goOn()
  await until(() => a.status('orders'), 'to the end').toBe('complete')
  expect(await a.page.locator('.reply[data-status=complete]').count()).toBe(1)
})

test('[G8] stopped, an agent takes up what waits only when somebody says so', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [b], 'Finding a slot')
  await b.say('Show me the XM headphones')
  await until(() => a.page.locator('.queued').count(), 'it waits').toBe(1)
  await a.page.getByRole('button', { name: 'Stop', exact: true }).click()
  goOn()
  const paused = (window: Window): Promise<number> => window.page.locator('.paused').count()
  await until(each([a, b], paused), 'on hold').toEqual([1, 1])
  expect(await a.status('orders')).toBe('cancelled')
  await b.page.getByRole('button', { name: 'Go on' }).click()
  await until(() => a.status('orders'), 'answered').toBe('complete')
  expect(await each([a, b], paused)()).toEqual([0, 0])
})

test('[G8] what waits is sent now, or taken back into the field by Escape; no text is lost', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [b], 'Finding a slot')
  await b.say('And thank you')
  await b.say('Show me the XM headphones')
  const what = (): Promise<string[]> => b.page.locator('.queued .what').allInnerTexts()
  await until(what, 'both wait').toEqual(['And thank you', 'Show me the XM headphones'])
  await b.page.locator('.queued').last().getByRole('button', { name: 'Send now' }).click()
  await until(fates.bind(null, a), 'the one that waited is taken back').toContain('removed')
  await b.composer.fill('Half a')
  await b.composer.press('Escape')
  expect(await b.composer.inputValue(), 'what is being written is left alone').toBe('Half a')
  goOn()
  await until(
    each([a, b], (window) =>
      window.page.locator('.reply').evaluateAll((all) => all.map((it) => (it as HTMLElement).dataset['status'])),
    ),
    'stopped, and both answered',
  ).toEqual(Array(2).fill(['cancelled', 'complete', 'complete']))

  await a.say('Book delivery for Friday')
  const goOnAgain = await stage.hold('orders', [b], 'Finding a slot')
  await b.say('One more thing')
  await until(what, 'it waits').toEqual(['One more thing'])
  await b.composer.press('Escape')
  await until(() => b.composer.inputValue(), 'to be written on').toBe('One more thing')
  await until(what, 'taken back').toEqual([])
  goOnAgain()
  await until(() => a.status('orders'), 'hers went on').toBe('complete')
})
