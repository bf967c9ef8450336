/** The pages for people with a keyboard, a screen reader, or eyes that need contrast: in light and dark, on a phone and a desk. */
import axe from 'axe-core'
import type { Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent, AgentRun } from '../../client/agent.ts'
import { playAgent } from './actor.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** What depends on the scheme of colours alone. */
const COLOURS = ['color-contrast', 'link-in-text-block']
const PHONE = { width: 390, height: 844 }
const DESK = { width: 1280, height: 800 }

const stage = setStage({ DEMO_TOKEN_DELAY_MS: '1', DEMO_TOOL_DELAY_MS: '5' })

let actor: Agent | undefined
let returns: Agent | undefined

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
  ;[actor, returns] = await Promise.all([playAgent(stage.demo, 'orders', play), playAgent(stage.demo, 'returns', play)])
})

afterAll(() => Promise.all([actor?.close(1_000), returns?.close(1_000)]))

interface Found {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

/** Where axe looks: a page, or a frame in it; all of it, or a part. */
interface Place {
  readonly page: Page
  readonly frame?: Frame
  readonly part?: string
}

/** What is told by where it begins and ends. */
const SHAPES =
  'button, .card, .bubble, .badge, .role, .count, .avatar, .pill, .holder-bar, .queue-tray, .ending, .tile, .cart, .step-icon, .approval'

/**
 * In a system's own colours there are no backgrounds: what has one of its own in the page's has an edge in these, and so has what
 * has the focus. Gives what has none.
 */
async function edgeless({ page, frame }: Place): Promise<string[]> {
  const where = frame ?? page
  const look = (shapes: string): Promise<string[]> =>
    where.evaluate((selector) => {
      const seen = window as unknown as { filled?: Element[] }
      const behind = (it: Element | null): string => {
        const color = it === null ? 'none' : getComputedStyle(it).backgroundColor
        return it !== null && color.endsWith(', 0)') ? behind(it.parentElement) : color
      }
      const isFilled = (it: Element): boolean => behind(it) !== behind(it.parentElement)
      const hasEdge = (it: Element): boolean => {
        const style = getComputedStyle(it)
        const ground = behind(it.parentElement)
        return ['border-top', 'border-bottom', 'outline'].some((edge) => {
          const [width, line, color] = ['width', 'style', 'color'].map((name) => style.getPropertyValue(`${edge}-${name}`))
          return Number.parseFloat(width ?? '') >= 1 && line !== 'none' && color !== ground
        })
      }
      if (seen.filled === undefined) {
        const shapes = [...document.querySelectorAll(selector)]
        seen.filled = shapes.filter((it) => it.checkVisibility({ opacityProperty: true }) && it.clientWidth > 1 && isFilled(it))
        return seen.filled.map((it) => it.className)
      }
      const { filled } = seen
      delete seen.filled
      const bare = filled.filter((it) => it.isConnected && !hasEdge(it)).map((it) => `${it.outerHTML.slice(0, 120)}: no edge`)
      for (const it of document.querySelectorAll<HTMLElement>('button, a[href], textarea, summary')) {
        if (!it.checkVisibility() || (it as HTMLButtonElement).disabled) continue
        it.focus()
        const ring = (it.matches('textarea') ? it.closest('.field, .editor') : null) ?? it
        if (document.activeElement === it && getComputedStyle(ring).outlineStyle === 'none')
          bare.push(`${it.outerHTML.slice(0, 120)}: no focus`)
      }
      return bare
    }, shapes)
  expect((await look(SHAPES)).length, 'there is something to look at').toBeGreaterThan(5)
  await page.emulateMedia({ forcedColors: 'active' })
  // What follows is focused as by a key.
  await page.keyboard.press('Tab')
  const bare = await look(SHAPES)
  await page.emulateMedia({ forcedColors: 'none' })
  return bare
}

let turn = 0

/**
 * No rule is broken in the state that the page is in: all rules in one scheme, those about colours in the other as well. Each
 * state has one of the sizes, in turn, unless it is one with much to show.
 */
async function expectClean(
  { page, frame, part }: Place,
  state: string,
  sizes = [++turn % 2 === 0 ? DESK : PHONE],
): Promise<void> {
  const where = frame ?? page
  await where.evaluate(`window.axe ?? (() => { ${axe.source} })()`)
  const found: string[] = []
  const look = async (what: string, options: object): Promise<void> => {
    // A colour on its way is neither of the two.
    await where.evaluate(async () => {
      const frames = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      do {
        await frames()
        await Promise.allSettled(document.getAnimations().map((it) => it.finished))
      } while (document.getAnimations().some((it) => it.playState === 'running'))
    })
    const { violations } = (await where.evaluate(
      `axe.run(${JSON.stringify(part ?? 'html')}, ${JSON.stringify({ ...options, resultTypes: ['violations'] })})`,
    )) as Found
    for (const { id, nodes } of violations)
      for (const { html, failureSummary } of nodes) found.push(`${what} ${id}: ${html.slice(0, 160)}\n  ${failureSummary}`)
  }
  for (const size of sizes) {
    await page.setViewportSize(size)
    const first = size === PHONE ? 'light' : 'dark'
    const second = size === PHONE ? 'dark' : 'light'
    await page.emulateMedia({ colorScheme: first, reducedMotion: 'reduce' })
    await look(`${size.width} ${first}`, { runOnly: RULES })
    await page.emulateMedia({ colorScheme: second })
    await look(`${size.width} ${second}`, { runOnly: { type: 'rule', values: COLOURS } })
  }
  await page.setViewportSize(DESK)
  expect(found, state).toEqual([])
}

/** What a screen reader is given to say. */
const heard = (window: Window, role: 'status' | 'alert'): Promise<string | null> =>
  window.page.locator(`.chat > .hidden[role=${role}]`).textContent()

/** The chat alone: what is around it is looked at once. */
const chatOf = ({ page }: Window): Place => ({ page, part: '.chat' })

test('[E1] axe finds nothing in any state of the shop and its chat, on a phone and a desk, in light and dark; what happens is heard', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  const chat = chatOf(a)
  await expectClean(chat, 'empty')
  await a.page.getByRole('button', { name: 'Add to cart: Orbis View 27' }).click()
  await a.say('please stand still')
  await until(() => a.reply('orders').innerText(), 'in the middle').toContain('Half of an answer')
  await a.say('And a second one')
  await b.say('And a third one')
  await until(() => a.page.locator('.queued').count(), 'they wait').toBe(2)
  await expectClean(a, 'streaming, with a queue', [PHONE, DESK])
  expect(await edgeless(a), 'streaming, in a system’s colours').toEqual([])
  await a.page.locator('.queued').getByRole('button', { name: 'Edit' }).click()
  await expectClean(chat, 'a queued message that is edited')
  await a.page.keyboard.press('Escape')
  await a.page
    .getByRole('button', { name: 'Stop mine' })
    .or(a.page.getByRole('button', { name: 'Stop', exact: true }))
    .click()
  await until(() => a.page.locator('.paused').count(), 'on hold').toBe(1)
  await expectClean(chat, 'stopped, the queue on hold')
  await a.page.getByRole('button', { name: 'Go on' }).click()
  await until(() => a.page.locator('.reply[data-status=complete]').count(), 'answered').toBe(2)
  await a.say('please ask me')
  await until(() => a.page.locator('.approval[data-state=requested]').count(), 'asked').toBe(1)
  await expectClean(chat, 'an approval that waits')
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
  await expectClean(a, 'failed, and a task', [PHONE, DESK])
  await a.context.setOffline(true)
  await a.say('please written offline')
  await a.page.locator('article[data-mine]').last().getByRole('button', { name: 'Edit' }).press('Enter')
  await until(() => a.page.locator('.pill').innerText(), 'it says so').toContain('Offline')
  await expectClean(chat, 'offline, and a message that is edited')
  await a.context.setOffline(false)
  await until(() => a.page.locator('.pill').count(), 'back').toBe(0)
})

test('[E1] axe finds nothing at the desk, in the lists, in dialogs and in the widget, nor where something has gone wrong', async () => {
  const [one, two] = await Promise.all([stage.newLink(), stage.newLink()])
  const [a, b, desk] = await Promise.all([stage.join(one, 'Mia'), stage.join(two, 'Jonas'), stage.desk()])
  await a.page.getByRole('button', { name: 'Talk to a human' }).click()
  await b.say('Return this: please stand still')
  await until(() => a.page.locator('.holder-bar').count(), 'asked for').toBe(1)
  await expectClean(chatOf(a), 'waiting for a human')
  await until(() => desk.page.locator('.desk-entry').count(), 'its list').toBeGreaterThan(1)
  await expectClean(desk, 'the desk’s list')
  for (const link of [two, one]) await desk.page.locator(`.desk-entry[data-session="${link.split('/').at(-1)}"]`).click()
  const column = desk.page.locator('.desk-column[data-front]')
  await column.getByRole('button', { name: 'Take over' }).click()
  await column.getByRole('button', { name: 'Hand back' }).waitFor()
  const field = column.getByRole('textbox', { name: 'Message' })
  await field.fill('Here I am, **Ada**.')
  await field.press('Enter')
  await until(async () => (await a.texts()).at(-1), 'she answers').toBe('Here I am, Ada.')
  await expectClean(desk, 'two sessions at the desk', [PHONE, DESK])
  expect(await edgeless(desk), 'the desk in a system’s colours').toEqual([])
  await expectClean(chatOf(a), 'handed over')

  await until(() => b.reply('returns').innerText(), 'in the middle').toContain('Half of an answer')
  await returns?.close(1_000)
  await until(() => b.status('returns'), 'interrupted').toBe('interrupted')
  await expectClean(chatOf(b), 'interrupted')

  await a.page.goto(`${stage.demo.url}/chats?as=Nobody`)
  await a.page.locator('.chats-none').waitFor()
  await expectClean(a, 'no conversation')
  await a.page.goto(`${stage.demo.url}/chats?as=Mia`)
  await a.page
    .getByRole('button', { name: /^Remove from this device/ })
    .first()
    .click()
  await a.page.getByRole('dialog').waitFor()
  await expectClean(a, 'a dialog', [PHONE, DESK])
  await a.page.getByRole('button', { name: 'Keep it' }).click()
  await expectClean(a, 'the list')

  const { page } = b
  await page.goto(`${stage.demo.url.replace('127.0.0.1', 'localhost')}/widget-example`)
  await page.waitForFunction(() => 'polylogue' in window)
  await page.evaluate("polylogue('open')")
  // The root that it is in is closed: there is no way to the frame but by its name.
  const frameOf = (): Frame | undefined => page.frames().find((it) => it.url().includes('/widget?'))
  await until(() => frameOf() !== undefined, 'its frame').toBe(true)
  const frame = frameOf() ?? page.mainFrame()
  const message = frame.getByRole('textbox', { name: 'Message' })
  await message.fill('please ask me')
  await message.press('Enter')
  await frame.locator('.approval[data-state=requested]').first().waitFor()
  await expectClean({ page, frame }, 'the widget', [PHONE, DESK])
  expect(await edgeless({ page, frame }), 'the widget in a system’s colours').toEqual([])

  // A token for another session: refused.
  await a.page.route('**/api/token', async (route) => {
    const body = { ...(route.request().postDataJSON() as object), session: 'another' }
    await route.continue({ postData: JSON.stringify(body) })
  })
  await a.page.goto(`${await stage.newLink()}?as=Mia`)
  await until(() => a.page.locator('.pill, .not-here').count(), 'refused').toBe(1)
  await expectClean(a, 'refused')
})
