/** Runs that others have a hand in: taken over, done for another run, stopped before they begin, left by their window. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

// Long enough to be seen in the middle of a step; a lease that outlasts an agent that is held up on purpose.
const stage = setStage({ DEMO_TOOL_DELAY_MS: '2500', DEMO_LEASE_MS: '60000' })

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const running = async (window: Window, agent: string): Promise<string | undefined> =>
  (await window.steps(agent)).find((step) => step.endsWith(': running'))

test('[H1] taken over in the middle of a run, which is shown paused, and goes on when it is handed back', async () => {
  const link = await stage.newLink()
  const [a, desk] = await Promise.all([stage.join(link, 'Mia'), stage.desk(link)])
  await a.say('Book delivery for Tuesday')
  const goOn = await stage.hold('orders', [desk], 'Finding a slot')
  await desk.page.getByRole('button', { name: 'Take over' }).click()
  await until(() => a.page.locator('.holder-bar[data-state=human]').count(), 'taken over').toBe(1)
  goOn()
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
  const goOn = stage.demo.freeze('orders')
  await parent(b).getByRole('button', { name: 'Cancel' }).first().click()
  goOn()
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
