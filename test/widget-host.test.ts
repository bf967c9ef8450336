// @vitest-environment happy-dom
/** The page around the widget's frame: the script tag and the element, with frames that answer as a test says, or never. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FrameMessage, HostMessage } from '../shared/widget.ts'

const SERVER = 'https://chat.example'
const MARK = `polylogue:${SERVER}:pk_first_key`

/** What a frame was told, and by which it answers. */
class FakeFrame {
  readonly told: HostMessage[] = []

  postMessage(message: HostMessage, target: string): void {
    if (target !== SERVER) throw new Error(`The page speaks to ${target}.`)
    this.told.push(message)
  }

  says(message: FrameMessage): void {
    window.dispatchEvent(
      Object.assign(new Event('message'), { source: this, origin: SERVER, data: { polylogue: 1, ...message } }),
    )
  }

  get all(): string[] {
    return this.told.map((it) => (it.t === 'send' ? `send ${it.text}` : it.t))
  }

  get init(): Extract<HostMessage, { t: 'init' }> | undefined {
    return this.told.find((it) => it.t === 'init')
  }
}

let removed: (() => void)[] = []

beforeEach(() => {
  vi.resetModules()
  vi.useFakeTimers()
  localStorage.clear()
  document.documentElement.lang = 'en'
  Object.assign(window, { polylogue: undefined })
  document.body.replaceChildren()
  // In the place of a frame, which this DOM would load.
  const create = document.createElement.bind(document)
  vi.spyOn(document, 'createElement').mockImplementation(((name: string) => {
    if (name !== 'iframe') return create(name)
    return Object.assign(create('fake-frame'), { src: '', sandbox: { value: '' }, contentWindow: new FakeFrame() })
  }) as typeof document.createElement)
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const attach = Reflect.get(Element.prototype, 'attachShadow') as (this: Element, init: ShadowRootInit) => ShadowRoot
  vi.spyOn(Element.prototype, 'attachShadow').mockImplementation(function (this: Element, init) {
    if (init.mode !== 'closed') throw new Error('What is drawn is open to the page.')
    return attach.call(this, { ...init, mode: 'open' })
  })
  // What one test listens for is not to be heard in the next.
  const listen = Reflect.get(window, 'addEventListener') as typeof window.addEventListener
  vi.spyOn(window, 'addEventListener').mockImplementation((type: string, listener: unknown) => {
    removed.push(() => window.removeEventListener(type, listener as EventListener))
    listen.call(window, type, listener as EventListener)
  })
})

afterEach(() => {
  for (const remove of removed.splice(0)) remove()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

type Polylogue = (...command: unknown[]) => unknown

async function load(file: 'loader' | 'element', data: Record<string, string> = {}): Promise<Polylogue> {
  const script = document.createElement('script')
  Object.defineProperty(script, 'src', { value: `${SERVER}/${file}.js` })
  Object.assign(script.dataset, { key: 'pk_first_key', ...data })
  vi.spyOn(document, 'currentScript', 'get').mockReturnValue(script)
  await (file === 'loader' ? import('../client/widget/loader.ts') : import('../client/widget/element.ts'))
  return (window as unknown as { polylogue: Polylogue }).polylogue
}

/** The frame, or what stands for it. */
const frameElement = (): (HTMLElement & { src: string; contentWindow: unknown }) | null => shadow().querySelector('fake-frame')
const shadow = (): ShadowRoot => document.body.querySelector('div, polylogue-chat')?.shadowRoot as ShadowRoot
/** The frame that is there now, and has said hello. */
function frame(): FakeFrame {
  const element = frameElement()
  if (element === null) throw new Error('There is no frame.')
  const it = element.contentWindow as FakeFrame
  if (it.init === undefined) it.says({ t: 'hello' })
  return it
}

interface ChatElement extends HTMLElement {
  user: unknown
  send(text: string): void
  shutdown(): Promise<boolean>
}

async function element(): Promise<ChatElement> {
  await load('element')
  const chat = document.createElement('polylogue-chat') as ChatElement
  chat.dataset['key'] = 'pk_first_key'
  document.body.append(chat)
  return chat
}

test('[E1] a frame that never answers holds up no signing out: it takes 10 s, says so, and the next frame begins by removing (WID-5)', async () => {
  const polylogue = await load('loader')
  polylogue('open')
  const first = frame()
  first.says({ t: 'ready' })
  expect(localStorage.getItem(MARK)).toBe('1')
  const both = Promise.all([polylogue('shutdown'), polylogue('shutdown')])
  expect(first.all).toEqual(['init', 'shown', 'wipe'])
  // Said before it has heard of that.
  first.says({ t: 'ready' })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await both).toEqual([false, false])
  expect([frameElement(), localStorage.getItem(MARK)]).toEqual([null, '0'])
  polylogue('open')
  expect(frame().init?.wipe).toBe(true)
  frame().says({ t: 'wiped', all: true })
  expect(localStorage.getItem(MARK)).toBeNull()
  frame().says({ t: 'ready' })
  const again = polylogue('shutdown')
  frame().says({ t: 'wiped', all: true })
  expect(await again).toBe(true)
  expect(localStorage.getItem(MARK)).toBeNull()
  expect(await polylogue('shutdown'), 'there is nothing').toBe(true)
})

test('[E1] the element signs out in 10 s too, at once where it is taken out of the page, and begins anew (WID-5)', async () => {
  const chat = await element()
  const first = frame()
  const never = chat.shutdown()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await never).toBe(false)
  expect(frame()).not.toBe(first)
  expect(frame().init?.wipe).toBe(true)
  frame().says({ t: 'wiped', all: true })
  const done = chat.shutdown()
  frame().says({ t: 'wiped', all: true })
  expect(await done).toBe(true)
  const gone = chat.shutdown()
  chat.remove()
  expect(await gone).toBe(false)
  expect(await chat.shutdown()).toBe(false)
  document.body.append(chat)
  expect(frame().init?.wipe, 'what was not done is done first').toBe(true)
})

test('[E1] who signs in right after somebody has signed out is signed in, and sees an open chat (WID-5)', async () => {
  const polylogue = await load('loader')
  polylogue('identify', 'token of Mia')
  polylogue('open')
  const first = frame()
  const left = polylogue('shutdown')
  polylogue('identify', 'token of Bob')
  polylogue('open')
  first.says({ t: 'wiped', all: true })
  expect(await left).toBe(true)
  expect(frame()).not.toBe(first)
  expect(frame().init).toMatchObject({ hasUser: true, shown: true, wipe: false })
  frame().says({ t: 'user', n: 1 })
  await vi.advanceTimersByTimeAsync(0)
  expect(frame().told.at(-1)).toMatchObject({ t: 'user', n: 1, token: 'token of Bob' })
  const again = polylogue('shutdown')
  frame().says({ t: 'wiped', all: true })
  await again
  polylogue('open')
  expect(frame().init?.hasUser, 'nobody is signed in then').toBe(false)
})

test.each(['loader', 'element'] as const)('[E1] what the %s was to send and cannot comes back (WID-5)', async (file) => {
  const back: unknown[] = []
  const chat = file === 'element' ? await element() : null
  const polylogue = file === 'loader' ? await load('loader') : null
  const note = ({ reason, text }: { reason: string; text?: string }): void => void back.push([reason, text])
  polylogue?.('on', 'error', note)
  chat?.addEventListener('polylogue-error', (event) => note((event as CustomEvent<{ reason: string }>).detail))
  const send = (text: string): void => void (polylogue === null ? chat?.send(text) : polylogue('send', text))
  const identify = (user: unknown): void =>
    void (polylogue === null ? Object.assign(chat ?? {}, { user }) : polylogue('identify', user))
  // The frame cannot hear yet.
  send('of a visitor')
  identify('token')
  send('of Mia')
  expect(back).toEqual([['unsent', 'of a visitor']])
  expect(frame().all).toEqual(['init', 'send of Mia'])
  frame().says({ t: 'error', reason: 'unsent', text: 'Why', unsent: 'from the frame' })
  frame().says({ t: 'refused', reason: 'revoked' })
  send('too late')
  expect(back).toEqual([
    ['unsent', 'of a visitor'],
    ['unsent', 'from the frame'],
    ['revoked', undefined],
    ['unsent', 'too late'],
  ])
})

test('[E1] a frame that does not come says so, gives back what it was to send, and one that was refused can still be signed out of (WID-5)', async () => {
  const polylogue = await load('loader', { open: '' })
  const back: unknown[] = []
  polylogue('on', 'error', ({ reason, text }: { reason: string; text?: string }) => void back.push([reason, text]))
  polylogue('send', 'Hello')
  await vi.advanceTimersByTimeAsync(15_000)
  expect(back).toEqual([
    ['unsent', 'Hello'],
    ['unavailable', undefined],
  ])
  polylogue('toggle')
  polylogue('open')
  frame().says({ t: 'ready' })
  frame().says({ t: 'refused', reason: 'revoked' })
  expect(shadow().querySelectorAll('fake-frame, .launcher, .panel:not([hidden])').length).toBe(0)
  polylogue('open')
  expect(frameElement(), 'and opens no more').toBeNull()
  const left = polylogue('shutdown')
  frame().says({ t: 'wiped', all: true })
  expect(await left).toBe(true)
  expect([frameElement(), localStorage.getItem(MARK)]).toEqual([null, null])
})

test('[E1] messages that come from elsewhere, or say they are something else, change nothing (WID-4)', async () => {
  const polylogue = await load('loader', { open: 'true' })
  const heard: unknown[] = []
  for (const name of ['ready', 'unread', 'error', 'close']) polylogue('on', name, () => heard.push(name))
  const it = frame()
  const say = (fields: object): void => void window.dispatchEvent(Object.assign(new Event('message'), fields))
  const data = { polylogue: 1, t: 'close' }
  say({ source: it, origin: 'https://evil.example', data })
  say({ source: window, origin: SERVER, data })
  say({ source: null, origin: SERVER, data })
  for (const wrong of [null, 'close', { t: 'close' }, { polylogue: 2, t: 'close' }, { polylogue: 1, t: 7 }]) {
    say({ source: it, origin: SERVER, data: wrong })
  }
  expect(heard).toEqual([])
  say({ source: it, origin: SERVER, data })
  expect(heard).toEqual(['close'])
})

test('[E1] the attributes of the script tag: what they change, and what of them is not taken', async () => {
  document.documentElement.lang = 'fr'
  await load('loader', { title: 'Aide <b>', position: 'left', theme: 'dark', color: '#b00', open: 'false' })
  const host = document.body.querySelector('div') as HTMLElement
  const launcher = shadow().querySelector('.launcher') as HTMLElement
  expect(launcher.ariaLabel ?? launcher.getAttribute('aria-label')).toBe('Ouvrir: Aide <b>')
  expect([host.getAttribute('position'), host.getAttribute('theme'), host.lang]).toEqual(['left', 'dark', 'fr'])
  expect(host.style.getPropertyValue('--polylogue-color')).toBe('#b00')
  expect(frameElement()).toBeNull()
  launcher.click()
  expect(frame().init?.looks).toEqual({ title: 'Aide <b>', locale: 'fr', theme: 'dark' })
  const src = new URL(frameElement()?.src ?? '')
  expect([src.origin, src.pathname, src.searchParams.get('key'), src.searchParams.get('host')]).toEqual([
    SERVER,
    '/widget',
    'pk_first_key',
    location.origin,
  ])
  document.body.replaceChildren()
  vi.resetModules()
  Object.assign(window, { polylogue: undefined })
  await load('loader', { position: 'top', theme: 'red"', locale: 'de-AT', open: '' })
  const other = document.body.querySelector('div') as HTMLElement
  expect([other.getAttribute('position'), other.getAttribute('theme'), other.lang]).toEqual(['right', 'auto', 'de-AT'])
  expect(frame().init).toMatchObject({ shown: true, looks: { title: 'Chat', locale: 'de-AT', theme: 'auto' } })
  const label = shadow().querySelector<HTMLElement>('.launcher')
  expect(label?.ariaLabel ?? label?.getAttribute('aria-label')).toBe('Schließen: Chat')
  vi.resetModules()
  Object.assign(window, { polylogue: undefined })
  await load('loader', { key: '' })
  expect(vi.mocked(console.error).mock.calls.flat().map(String)).toContainEqual(expect.stringContaining('data-key'))
})

test('[E1] what is unread is said to those who do not see the count, and no more when it was read', async () => {
  await load('loader')
  const launcher = shadow().querySelector('.launcher') as HTMLElement
  launcher.click()
  launcher.click()
  frame().says({ t: 'unread', count: 2 })
  const said = [...shadow().querySelectorAll('[role=status]')].map((it) => it.textContent).filter((it) => it !== '')
  expect(said).toContain('Chat: 2 new')
  frame().says({ t: 'unread', count: 0 })
  expect(shadow().textContent).not.toContain('2 new')
})
