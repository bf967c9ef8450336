/** The pages for people with a keyboard, a screen reader, or eyes that need contrast: in light and dark, on a phone and a desk. */
import axe from 'axe-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent, AgentRun } from '../../client/agent.ts'
import { playAgent } from './actor.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** Each size in one of the schemes, and all of it the other way round where the page has most to show. */
const LOOKS = [
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 1280, height: 800, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'dark' },
  { width: 1280, height: 800, colorScheme: 'light' },
] as const

const stage = setStage({ DEMO_TOKEN_DELAY_MS: '2', DEMO_TOOL_DELAY_MS: '20' })

let actor: Agent | undefined

/** Until the run is over: stopped, or its agent is gone. */
function untilOver(run: AgentRun): Promise<void> {
  return new Promise((resolve) => {
    run.signal.addEventListener('abort', () => resolve())
  })
}

/** Has another one do it, which has another one do it, which fails. */
async function askOthers(run: AgentRun): Promise<void> {
  const level = typeof run.data === 'number' ? run.data : 0
  const step = run.step('Asking another one')
  if (level === 2) throw new Error('Nobody knows.')
  await run.spawn('orders', level + 1, { title: 'Who knows?' }).done
  step.done()
  run.write('Nobody.')
}

/** Does what its input asks for. */
async function play(run: AgentRun): Promise<void> {
  const text = run.input.parts.map((part) => ('text' in part ? String(part.text) : '')).join('')
  if (text.includes('ask others')) await askOthers(run)
  else if (text.includes('stand still')) {
    const step = run.step('Looking at the question')
    run.write('Half of an **answer**, with a [link](https://shop.example/), and')
    await untilOver(run)
    step.done()
    run.write(' the other half.')
  } else if (text.includes('ask me')) {
    const yes = await run.approval({ title: 'Refund $40?', detail: 'To the card that ends in 4242.' })
    run.write(yes ? 'It is on its way.' : 'Then not.')
  } else if (text.includes('fail')) {
    run.write('I begin, and')
    throw new Error('The warehouse does not answer.')
  } else run.write(`You wrote: ${text}`)
}

beforeAll(async () => {
  actor = await playAgent(stage.demo, 'orders', play)
})

afterAll(() => actor?.close(1_000))

interface Found {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

/** No rule is broken in the state that the page is in. */
async function expectClean(
  window: Window,
  state: string,
  looks: readonly (typeof LOOKS)[number][] = LOOKS.slice(0, 2),
): Promise<void> {
  const { page } = window
  await page.evaluate(`window.axe ?? (() => { ${axe.source} })()`)
  const found: string[] = []
  for (const { width, height, colorScheme } of looks) {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    // A colour on its way is neither of the two.
    await page.evaluate(async () => {
      const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve))
      do {
        await Promise.allSettled(document.getAnimations().map((it) => it.finished))
        await frame()
        await frame()
      } while (document.getAnimations().some((it) => it.playState === 'running'))
    })
    const { violations } = (await page.evaluate(
      `axe.run(document, { runOnly: ${JSON.stringify(RULES)}, resultTypes: ['violations'] })`,
    )) as Found
    for (const { id, nodes } of violations) {
      for (const { html, failureSummary } of nodes)
        found.push(`${width} ${colorScheme} ${id}: ${html.slice(0, 160)}\n  ${failureSummary}`)
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  expect(found, state).toEqual([])
}

/** What a screen reader is given to say. */
const heard = (window: Window, role: 'status' | 'alert'): Promise<string | null> =>
  window.page.locator(`.chat > .hidden[role=${role}]`).textContent()

test(
  '[E1] axe finds nothing in any state of the shop and its chat, on a phone and a desk, in light and dark; what happens is heard',
  { timeout: 120_000 },
  async () => {
    const link = await stage.newLink()
    const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
    await expectClean(a, 'empty')
    await a.page.getByRole('button', { name: 'Add to cart: Orbis View 27' }).click()
    await a.say('please stand still')
    await until(() => a.reply('orders').innerText(), 'in the middle').toContain('Half of an answer')
    await a.say('And a second one')
    await b.say('And a third one')
    await until(() => a.page.locator('.queued').count(), 'they wait').toBe(2)
    await expectClean(a, 'streaming, with a queue', LOOKS)
    await a.page.locator('.queued').getByRole('button', { name: 'Edit' }).click()
    await expectClean(a, 'a queued message that is edited')
    await a.page.keyboard.press('Escape')
    await a.page
      .getByRole('button', { name: 'Stop mine' })
      .or(a.page.getByRole('button', { name: 'Stop', exact: true }))
      .click()
    await until(() => a.page.locator('.paused').count(), 'on hold').toBe(1)
    await expectClean(a, 'stopped, the queue on hold')
    await a.page.getByRole('button', { name: 'Go on' }).click()
    await until(() => a.page.locator('.reply[data-status=complete]').count(), 'answered').toBe(2)
    await a.say('please ask me')
    await until(() => a.page.locator('.approval[data-state=requested]').count(), 'asked').toBe(1)
    await expectClean(a, 'an approval that waits')
    await until(() => heard(a, 'status'), 'is heard').toContain('Approval needed: Refund $40?')
    await a.page.getByRole('button', { name: 'Approve' }).first().press('Enter')
    await until(() => a.status('orders'), 'approved').toBe('complete')
    await until(() => heard(a, 'status'), 'is read out').toBe('Reply finished. It is on its way.')
    expect(await a.page.evaluate(() => document.activeElement?.tagName), 'the focus is not lost').not.toBe('BODY')
    await a.say('please fail')
    await until(() => a.status('orders'), 'failed').toBe('error')
    await until(() => heard(a, 'alert'), 'is heard').toContain('Reply failed: ')
    await a.say('please ask others')
    const nested = a.page.locator('.row > .reply .task > .steps > li > .reply > .task > .steps > li > .reply')
    await until(() => nested.getAttribute('data-status'), 'two levels below').toBe('error')
    expect(await nested.innerText()).toMatch(/Orders Who knows\?\s*failed · 0 of 1 steps[\s\S]*Nobody knows/)
    await until(() => a.page.locator('.row > .reply').last().getAttribute('data-status'), 'goes on').toBe('complete')
    await a.say('Research noise-cancelling headphones under $300')
    await until(() => a.status('research'), 'cards').toBe('complete')
    await expectClean(a, 'failed, and a task', LOOKS)
    await a.context.setOffline(true)
    await a.say('please written offline')
    await until(() => a.page.locator('.pill').innerText(), 'it says so').toContain('Offline')
    await expectClean(a, 'offline')
    await a.context.setOffline(false)
    await until(() => a.page.locator('.pill').count(), 'back').toBe(0)
    await a.page.getByRole('button', { name: 'Talk to a human' }).click()
    await until(() => a.page.locator('.holder-bar').count(), 'asked for').toBe(1)
    await expectClean(a, 'waiting for a human')

    const desk = await stage.desk()
    await until(() => desk.page.locator('.desk-entry').count(), 'its list').toBeGreaterThan(0)
    await expectClean(desk, 'the desk’s list')
    await desk.page.locator('.desk-entry').first().click()
    await desk.composer.waitFor()
    await desk.page.getByRole('button', { name: 'Take over' }).click()
    await desk.say('Here I am, **Ada**.')
    await until(async () => (await a.texts()).at(-1), 'she answers').toBe('Here I am, Ada.')
    await expectClean(desk, 'a session at the desk', LOOKS)
    await expectClean(a, 'handed over')
  },
)

test('[E1] axe finds nothing on pages that cannot be opened, and an interrupted reply says so', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  await a.say('please stand still')
  await until(() => a.reply('orders').innerText(), 'in the middle').toContain('Half of an answer')
  await actor?.close(1_000)
  await until(() => a.status('orders'), 'interrupted').toBe('interrupted')
  await expectClean(a, 'interrupted')
  actor = await playAgent(stage.demo, 'orders', play)
  // A token for another session: refused.
  await a.page.route('**/api/token', async (route) => {
    const body = { ...(route.request().postDataJSON() as object), session: 'another' }
    await route.continue({ postData: JSON.stringify(body) })
  })
  await a.page.goto(`${await stage.newLink()}?as=Mia`)
  await until(() => a.page.locator('.pill, .not-here').count(), 'refused').toBe(1)
  await expectClean(a, 'refused', LOOKS)
})
