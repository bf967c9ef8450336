/** Agents at work: several at once, cancelled from any window, killed. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

// Slow enough to press Cancel in the middle of a step, also on a busy machine.
const stage = setStage({ DEMO_TOOL_DELAY_MS: '2000', DEMO_LEASE_MS: '5000' })

async function two(): Promise<[Window, Window]> {
  const link = await stage.newLink()
  return await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
}

const running = async (window: Window, agent: string): Promise<string | undefined> =>
  (await window.steps(agent)).find((step) => step.endsWith(': running'))

test('[D5] the steps of research advance in both windows, and the one that did not ask cancels it', async () => {
  const [a, b] = await two()
  await a.say('Research noise-cancelling headphones under $300')
  const searching = 'Searching the catalogue: running'
  await until(
    each([a, b], (window) => running(window, 'research')),
    searching,
  ).toEqual([searching, searching])
  // At once, from within the page: the next step is not over however slow the machine is.
  await b.page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          const reply = document.querySelector('.reply[data-agent=research]')
          const step = [...(reply?.querySelectorAll<HTMLElement>('.step[data-status=running]') ?? [])]
          if (!step.some(({ textContent }) => textContent?.includes('Comparing specifications'))) return
          const cancel = [...(reply?.querySelectorAll('button') ?? [])].find((it) => it.textContent?.includes('Cancel'))
          if (cancel === undefined) return
          watching.disconnect()
          cancel.click()
          resolve()
        }
        const watching = new MutationObserver(look)
        watching.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })
        look()
      }),
  )
  await until(
    each([a, b], (window) => window.status('research')),
    'cancelled',
  ).toEqual(['cancelled', 'cancelled'])
  const steps = ['Searching the catalogue: done', 'Comparing specifications: cancelled']
  expect(await each([a, b], (window) => window.steps('research'))()).toEqual([steps, steps])
  const ending = (window: Window): Promise<string> => window.reply('research').locator('.ending > span').innerText()
  expect(await each([a, b], ending)()).toEqual(['Cancelled by Jonas', 'Cancelled by you'])

  const run = await a.reply('research').getAttribute('data-run')
  const lines = (): string[] => stage.demo.log.filter((line) => line.includes(`run ${run}: `))
  await until(() => lines().filter((line) => /: (model call aborted|cancelled)/.test(line)).length, 'the log says so').toBe(2)
  // Searching and comparing were asked for by two calls; there was no third.
  expect(lines().filter((line) => line.includes('model call started'))).toHaveLength(2)
})

test('[D5] a reply that is cancelled in the middle of its text keeps what it has, and its model call is aborted', async () => {
  const [a, b] = await two()
  await a.say('Tell me everything about headphones')
  await until(async () => (await b.texts())[1]?.length ?? 0, 'the text has begun').toBeGreaterThan(100)
  const goOn = stage.demo.freeze('orders')
  await b.page.getByRole('button', { name: 'Stop' }).click()
  goOn()
  await until(
    each([a, b], (window) => window.status('orders')),
    'cancelled',
  ).toEqual(['cancelled', 'cancelled'])
  const run = await a.reply('orders').getAttribute('data-run')
  await until(() => stage.demo.log.some((line) => line.includes(`run ${run}: model stream closed after`)), 'closed').toBe(true)
  expect(stage.demo.log.some((line) => line.includes(`run ${run}: model call aborted`))).toBe(true)
  const [mine, others] = await each([a, b], (window) => window.texts())()
  expect(mine?.[1]).toContain('Let us start with the question')
  expect(mine?.[1]).not.toContain('How to go on')
  expect(others).toEqual(mine)
})

test('[D8] two agents work at once; one is cancelled from the other window, and the other finishes', async () => {
  const [a, b] = await two()
  await a.say('Buy the XM headphones and cancel my existing order')
  const both = async (window: Window): Promise<boolean> =>
    (await running(window, 'orders')) !== undefined && (await running(window, 'returns')) !== undefined
  await until(each([a, b], both), 'both are in the middle of a step').toEqual([true, true])
  const [goOn, cancelled] = [stage.demo.freeze('orders'), stage.demo.freeze('returns')]
  await b.reply('returns').getByRole('button', { name: 'Cancel' }).click()
  cancelled()
  await until(
    each([a, b], (window) => window.status('returns')),
    'cancelled',
  ).toEqual(['cancelled', 'cancelled'])
  expect(await a.status('orders'), 'the other goes on').toBe('active')
  goOn()
  await until(
    each([a, b], (window) => window.status('orders')),
    'the other finishes',
  ).toEqual(['complete', 'complete'])
  const steps = ['Check stock: done', 'Reserve: done', 'Payment: done', 'Confirmation: done', 'Email: done']
  expect(await each([a, b], (window) => window.steps('orders'))()).toEqual([steps, steps])
  // Within a step, or between two.
  const stopped = await a.steps('returns')
  expect(stopped.filter((step) => step.endsWith(': running'))).toEqual([])
  expect(stopped.length).toBeLessThan(6)
  expect(await a.reply('orders').innerText()).toMatch(/Order \d+ is confirmed/)
  await a.reply('orders').locator('.order').waitFor()
})

test('[D8] an agent whose process is killed is shown as interrupted within seconds, and the other is unharmed', async () => {
  const [a, b] = await two()
  await a.say('Buy the XM headphones and research earbuds under $300')
  await stage.hold('research', [b], 'Comparing specifications')
  const killedAt = performance.now()
  process.kill(stage.demo.agentPid('research'), 'SIGKILL')
  await until(
    each([a, b], (window) => window.status('research')),
    'interrupted',
  ).toEqual(['interrupted', 'interrupted'])
  expect(performance.now() - killedAt, 'the lease is 5 s, looked after every second').toBeLessThan(8_000)
  expect((await a.steps('research')).at(-1)).toBe('Comparing specifications: interrupted')
  await until(
    each([a, b], (window) => window.status('orders')),
    'unharmed',
  ).toEqual(['complete', 'complete'])
  await a.reply('research').getByRole('button', { name: 'Ask again' }).waitFor()
})
