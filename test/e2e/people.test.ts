/** Several people and an agent in one conversation: a cart, a hand-over, presence. */
import { expect, test } from 'vitest'
import { setStage } from './stage.ts'
import { each, until, type Window } from './windows.ts'

const stage = setStage({}, { worker: true })

const inCart = (window: Window): Promise<string[]> =>
  window.page
    .locator('.cart li')
    .evaluateAll((lines) =>
      lines.map((line) => `${line.querySelector('output')?.textContent} ${(line as HTMLElement).dataset['sku']}`),
    )

const present = (window: Window): Promise<string[]> => window.page.locator('.present .hidden').allInnerTexts()

test('[D9] a cart that a person and an agent edit at the same time keeps both edits, and undo takes back one’s own only', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  // At the same time for certain: neither edit has seen the other when it is made.
  await a.context.setOffline(true)
  await a.page.getByRole('button', { name: 'Add to cart: Orbis View 27' }).click()
  await b.say('Put two of the Halden Quiet 7 into my cart')
  await until(() => inCart(b), 'the agent’s edit').toEqual(['2 HAL-Q7'])
  expect(await inCart(a)).toEqual(['1 ORB-27'])
  await a.context.setOffline(false)
  const both = ['2 HAL-Q7', '1 ORB-27']
  await until(each([a, b], inCart), 'both edits stay').toEqual([both, both])

  await b.page.getByRole('button', { name: 'One Halden Quiet 7 more' }).click()
  await until(() => inCart(a), 'everybody may change what is there').toEqual(['3 HAL-Q7', '1 ORB-27'])
  await a.page.getByRole('button', { name: 'Undo' }).click()
  await until(each([a, b], inCart), 'the others’ edits stay').toEqual([['3 HAL-Q7'], ['3 HAL-Q7']])
})

test('[D10] the assistant pauses for a human, who sees everything, answers and hands back; then it knows what was said', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  await a.say('Where is my order 1042?')
  await until(() => a.status('orders'), 'something was said before').toBe('complete')
  await a.say('The refund is too low, I want a human')
  await until(
    each([a, b], (window) => window.page.locator('.holder-bar[data-state=waiting]').count()),
    'paused',
  ).toEqual([1, 1])
  await until(() => a.status('returns'), 'its last word').toBe('complete')

  const desk = await stage.desk()
  const id = link.split('/').at(-1)
  const entry = desk.page.locator(`.desk-entry[data-session="${id}"]`)
  await until(() => entry.getAttribute('data-state'), 'the desk sees the request').toBe('waiting')
  expect(await entry.innerText()).toContain('The refund is too low, I want a human')
  await entry.click()
  await desk.composer.waitFor()
  await until(async () => (await desk.texts()).length, 'the whole history').toBe(4)
  // As customers see it, but for the names: what is mine there is Mia's here.
  const words = async (window: Window): Promise<string[]> => (await window.texts()).map((text) => text.split('\n')[0] ?? '')
  await until(() => words(desk), 'the same words').toEqual(await words(b))
  await until(each([a, b], present), 'present in both windows').toEqual([
    ['Ada, Support', 'Jonas, Customer'],
    ['Ada, Support', 'Mia, Customer'],
  ])
  await desk.page.getByRole('button', { name: 'Take over' }).click()
  const line = (window: Window): Promise<string[]> => window.page.locator('.row > .system-line').allInnerTexts()
  await until(each([a, b], line), 'said in both').toEqual(Array(2).fill(['Ada joined · the assistant is paused']))
  await desk.say('I have raised your refund to $250.')
  const last = async (window: Window): Promise<string | undefined> => {
    const message = (await window.messages()).at(-1)
    return message && `${message.author}: ${message.text}`
  }
  await until(each([a, b], last), 'under her name').toEqual(Array(2).fill('Ada: I have raised your refund to $250.'))

  const calls = stage.demo.log.filter((line_) => line_.includes('model call started')).length
  await a.say('Thank you, Ada. Where is my order 1042 now?')
  await until(() => last(desk), 'she reads it').toBe('Mia: Thank you, Ada. Where is my order 1042 now?')
  await desk.say('It will come on Monday.')
  await until(() => last(a), 'and answers').toBe('Ada: It will come on Monday.')
  expect(
    stage.demo.log.filter((line_) => line_.includes('model call started')),
    'the assistant is silent',
  ).toHaveLength(calls)
  expect(await a.page.locator('.reply').count()).toBe(2)

  await desk.page.getByRole('button', { name: 'Hand back' }).click()
  await until(() => a.page.locator('.holder-bar').count(), 'handed back').toBe(0)
  await a.say('So what happens now?')
  await until(() => a.page.locator('.reply').count(), 'the assistant answers again').toBe(3)
  await until(() => a.status('orders'), 'to the end').toBe('complete')
  expect(await a.reply('orders').innerText(), 'it knows what was said').toContain(
    'my colleague Ada told you: “It will come on Monday.”',
  )
})

test('[H3] who types is seen, and who is gone is gone within seconds: closed, navigated away or killed', async () => {
  const link = await stage.newLink()
  const [a, b] = await Promise.all([stage.join(link, 'Mia'), stage.join(link, 'Jonas')])
  const second = await stage.join(link, 'Jonas', b)
  await until(() => present(a), 'he is here').toEqual(['Jonas, Customer'])
  const typing = (): Promise<string> => a.page.locator('.typing').innerText()
  const types = async (window: Window): Promise<void> => {
    await window.composer.pressSequentially('I am')
    await until(typing, 'he types').toBe('Jonas is typing')
  }
  const isGone = async (leave: () => unknown): Promise<void> => {
    const leftAt = performance.now()
    await leave()
    await until(() => present(a), 'gone').toEqual([])
    expect(await typing()).toBe('')
    expect(performance.now() - leftAt).toBeLessThan(4_000)
  }
  for (const stop of [() => b.composer.blur(), () => b.composer.press('Enter')]) {
    await types(b)
    const stoppedAt = performance.now()
    await stop()
    await until(typing, 'he types no more').toBe('')
    // Without a word it would end by itself, after four seconds.
    expect(performance.now() - stoppedAt).toBeLessThan(3_000)
  }
  // The worker of the page would keep the process, and what is open in it, for half a minute.
  await Promise.all([b.ready(), types(b)])
  await b.page.close()
  await until(typing, 'one window less').toBe('')
  expect(await present(a), 'he is still here in another window').toEqual(['Jonas, Customer'])
  await types(second)
  await isGone(() => second.page.goto('about:blank'))

  const again = await stage.join(link, 'Jonas')
  await until(() => present(a), 'he is back').toEqual(['Jonas, Customer'])
  await types(again)
  const killer = await again.context.newCDPSession(again.page)
  // Its renderer is gone before it could answer.
  await isGone(() => void killer.send('Page.crash').catch(() => {}))
})
