/** Saying more while an agent works, and stopping it before it does. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

// Slow enough to say something in the middle of a step, also on a busy machine.
const stage = setStage({ DEMO_TOOL_DELAY_MS: '2500' })

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const running = async (window: Window, agent: string): Promise<string | undefined> =>
  (await window.steps(agent)).find((step) => step.endsWith(': running'))

const fates = (window: Window): Promise<(string | undefined)[]> =>
  window.page.locator('.fate').evaluateAll((lines) => lines.map((line) => (line as HTMLElement).dataset['fate']))

test('[D7] a change from the other window is taken by the run that is under way, which says so', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  await until(() => running(b, 'orders'), 'it works').toBe('Finding a slot: running')
  await b.composer.fill('make it Wednesday')
  await b.page.getByRole('button', { name: 'Steer' }).click()
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
  await b.context.setOffline(true)
  await b.composer.fill('make it the Halden Quiet 7')
  await b.page.getByRole('button', { name: 'Steer' }).click()
  await until(() => a.status('orders'), 'done meanwhile').toBe('complete')
  await b.context.setOffline(false)
  await until(each([a, b], fates), 'not taken').toEqual([['queued'], ['queued']])
  expect(await b.page.locator('.fate').innerText()).toContain('not taken: nothing was under way')
  await until(
    each([a, b], (window) => window.page.locator('.reply[data-status=complete]').count()),
    'answered in its turn',
  ).toEqual([2, 2])
})

test('[G8] what waits for its turn is seen by all and changed by its author', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  await until(() => running(b, 'orders'), 'it works').toBe('Finding a slot: running')
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
  await until(() => a.page.locator('.reply[data-status=complete]').count(), 'answered in its turn').toBe(2)
  expect(await a.reply('orders').innerText()).toContain('And thank you both')
  expect(await queued.count()).toBe(0)
})

test('[G8] what waits can be taken back', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  await until(() => running(b, 'orders'), 'it works').toBe('Finding a slot: running')
  await b.say('Show me the XM headphones')
  await b.page.locator('.queued').getByRole('button', { name: 'Remove' }).click()
  await until(each([a, b], fates), 'taken back').toEqual([['removed'], ['removed']])
  await until(() => a.status('orders'), 'to the end').toBe('complete')
  expect(await a.page.locator('.reply[data-status=complete]').count()).toBe(1)
})

test('[G8] stopped, an agent takes up what waits only when somebody says so', async () => {
  const [a, b] = await two()
  await a.say('Book delivery for Tuesday')
  await until(() => running(b, 'orders'), 'it works').toBe('Finding a slot: running')
  await b.say('Show me the XM headphones')
  await until(() => a.page.locator('.queued').count(), 'it waits').toBe(1)
  await a.page.getByRole('button', { name: 'Stop', exact: true }).click()
  const paused = (window: Window): Promise<number> => window.page.locator('.paused').count()
  await until(each([a, b], paused), 'on hold').toEqual([1, 1])
  expect(await a.status('orders')).toBe('cancelled')
  await b.page.getByRole('button', { name: 'Go on' }).click()
  await until(() => a.status('orders'), 'answered').toBe('complete')
  expect(await each([a, b], paused)()).toEqual([0, 0])
})

test('[H1] taken over in the middle of a run, which is shown paused, and goes on when it is handed back', async () => {
  const link = await stage.newLink()
  const [a, desk] = await Promise.all([stage.join(link, 'Mia'), stage.desk(link)])
  await a.say('Book delivery for Tuesday')
  await until(() => running(desk, 'orders'), 'she sees it').toBe('Finding a slot: running')
  await desk.page.getByRole('button', { name: 'Take over' }).click()
  await until(() => a.status('orders'), 'paused').toBe('suspended')
  await desk.say('One moment, I look at it myself.')
  await until(async () => (await a.texts()).at(-1), 'her words').toContain('One moment')
  expect(await a.status('orders')).toBe('suspended')
  await desk.page.getByRole('button', { name: 'Hand back' }).click()
  await until(() => a.status('orders'), 'to the end').toBe('complete')
  expect(await a.reply('orders').innerText()).toContain('Booked')
})

test('[G7] what one agent has another one do is cancelled with it', async () => {
  const [a, b] = await two()
  await a.say('Research earbuds under $300 and check whether they are in stock')
  const parent = (window: Window): ReturnType<Window['page']['locator']> =>
    window.page.locator('.row > .reply[data-agent="research"]').last()
  const child = (window: Window): ReturnType<Window['page']['locator']> => parent(window).locator('.reply[data-agent="orders"]')
  await until(() => child(b).getAttribute('data-status'), 'the other one is at work').toBe('active')
  await parent(b).getByRole('button', { name: 'Cancel' }).first().click()
  for (const one of [parent, child]) {
    await until(
      each([a, b], (window) => one(window).getAttribute('data-status')),
      'cancelled',
    ).toEqual(['cancelled', 'cancelled'])
  }
  expect((await a.steps('research')).filter((step) => step.endsWith(': running'))).toEqual([])
})

test('[D6] stopped before the agent’s process is up: it never calls the model, and the run ends cancelled', async () => {
  const [a, b] = await two()
  process.kill(stage.demo.agentPid('orders'), 'SIGKILL')
  await until(() => stage.demo.log.some((line) => line.startsWith('[orders] ended')), 'gone').toBe(true)
  await a.say('Tell me everything about headphones')
  await until(
    each([a, b], (window) => window.status('orders')),
    'nobody has it',
  ).toEqual(['pending', 'pending'])
  const run = await a.reply('orders').getAttribute('data-run')
  await b.page.getByRole('button', { name: 'Stop' }).click()
  await until(
    each([a, b], (window) => window.status('orders')),
    'cancelled',
  ).toEqual(['cancelled', 'cancelled'])
  const before = stage.demo.log.filter((line) => line === '[orders] connection live').length
  stage.demo.startAgent('orders')
  await until(() => stage.demo.log.filter((line) => line === '[orders] connection live').length, 'up').toBe(before + 1)
  // It does what comes after, so it would have done that as well.
  await a.say('Show me the XM headphones')
  await until(() => a.status('orders'), 'answered').toBe('complete')
  expect(stage.demo.log.filter((line) => line.includes(`run ${run}:`))).toEqual([])
  expect(await a.page.locator(`.reply[data-run="${run}"]`).getAttribute('data-status')).toBe('cancelled')
})

test('[D6] closing the window that asked does not cancel', async () => {
  const [a, b] = await two()
  await a.say('Research noise-cancelling headphones under $300')
  await until(() => running(b, 'research'), 'it works').toBe('Searching the catalogue: running')
  await a.context.close()
  await until(() => b.status('research'), 'to the end').toBe('complete')
  expect((await b.steps('research')).at(-1)).toBe('Analysing reviews: done')
})
