// @vitest-environment happy-dom
/** The picture of the last screen: what it can hold at most, and whose it is. How it looks and when it goes is in `e2e`. */
import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { drawPicture } from '../demo/web/picture/draw.ts'
import type { OpenSession } from '../client/index.ts'
import { keepPictures } from '../demo/web/picture/keep-pictures.ts'
import { forgetPictures, keepPicture, keptPicture, MAX_PICTURES, pictureKey } from '../demo/web/picture/kept.ts'
import { ATTRIBUTES, MAX_CHARS, MAX_PIECES, readPicture, TAGS, type Picture, type Piece } from '../demo/web/picture/picture.ts'
import { knownCustomer, whoAmI } from '../demo/web/who.ts'

const pictureOf = (...of: readonly unknown[]): unknown => ({
  format: 1,
  window: [390, 844],
  region: [0, 64, 390, 680],
  rows: [{ left: 20, width: 350, bottom: 660, of }],
})

const read = (...of: readonly unknown[]): Picture | null => readPicture(JSON.stringify(pictureOf(...of)))

const keys = (): string[] => Object.keys(localStorage).filter((key) => key.startsWith('polyshop:screen:'))

beforeEach(() => localStorage.clear())

describe('a picture', () => {
  test('is drawn as it was taken: elements, texts, sizes, and the room of what is left out', () => {
    const bubble: Piece = { tag: 'div', has: { class: 'bubble', 'data-mine': 'true' }, of: ['<b>Hello</b>'] }
    const avatar: Piece = { tag: 'span', has: { class: 'avatar' }, hue: 168, size: [32, 32], of: ['A'] }
    const picture = read(bubble, avatar, { blank: [40, 18], margin: [4, 0, 0, 34], order: 1, inline: true })
    if (picture === null) throw new Error('It is a picture.')
    const element = drawPicture(picture)
    expect(element.getAttribute('aria-hidden')).toBe('true')
    expect(element.inert).toBe(true)
    expect(element.textContent).toBe('<b>Hello</b>A')
    expect(element.querySelector('b')).toBe(null)
    expect(element.querySelector<HTMLElement>('.avatar')?.style.cssText).toContain('--hue: 168')
    const blank = element.firstElementChild?.lastElementChild as HTMLElement
    expect([blank.style.width, blank.style.height, blank.style.marginLeft]).toEqual(['40px', '18px', '34px'])
    expect([blank.style.visibility, blank.textContent]).toEqual(['hidden', ''])
  })

  test.each([
    ['a script', { tag: 'script', of: ['alert(1)'] }],
    ['a script in a drawing', { tag: 'svg', of: [{ tag: 'script', of: ['alert(1)'] }] }],
    ['a frame', { tag: 'iframe', has: { class: 'x' } }],
    ['an image', { tag: 'img' }],
    ['a field', { tag: 'input' }],
    ['a button', { tag: 'button' }],
    ['a sheet of styles', { tag: 'style', of: ['*{}'] }],
    ['something of another kind of page', { tag: 'foreignObject' }],
    ['an element with a name of its own', { tag: 'x-y' }],
    ['a handler', { tag: 'div', has: { onclick: 'alert(1)' } }],
    ['a handler in other letters', { tag: 'div', has: { ONCLICK: 'alert(1)' } }],
    ['a link', { tag: 'a', has: { href: 'javascript:alert(1)' } }],
    ['a link in a drawing', { tag: 'svg', has: { 'xlink:href': 'javascript:alert(1)' } }],
    ['a name that others look for', { tag: 'div', has: { id: 'app' } }],
    ['a style', { tag: 'div', has: { style: 'position:fixed' } }],
    ['a way into it by keyboard', { tag: 'div', has: { tabindex: '0' } }],
    ['an attribute that is no text', { tag: 'div', has: { class: ['x'] } }],
    ['attributes that are none', { tag: 'div', has: null }],
    ['a hue that is none', { tag: 'div', hue: '1; background: url(//x)' }],
    ['a size that is none', { tag: 'div', size: ['1px', 2] }],
    ['a size beyond all screens', { blank: [1e9, 1] }],
    ['a margin that is none', { blank: [1, 1], margin: ['url(x)', 0, 0, 0] }],
    ['children that are none', { tag: 'div', of: { length: 1 } }],
    ['nothing', null],
    ['a number', 1],
  ])('with %s is none at all', (_what, piece) => {
    expect(read(piece)).toBe(null)
    expect(read('before', { tag: 'div', of: [piece] })).toBe(null)
  })

  test('that is too deep, too large, of another format or no picture is none', () => {
    let deep: unknown = 'text'
    for (let level = 0; level < 40; level++) deep = { tag: 'div', of: [deep] }
    expect(read(deep)).toBe(null)
    expect(read(...Array.from({ length: MAX_PIECES }, () => 'x'))).not.toBe(null)
    expect(read(...Array.from({ length: MAX_PIECES + 1 }, () => 'x'))).toBe(null)
    expect(read('x'.repeat(MAX_CHARS))).toBe(null)
    for (const text of [null, '', 'null', '[]', '{', '"x"', '{"format":1}']) expect(readPicture(text)).toBe(null)
    expect(readPicture(JSON.stringify({ ...(pictureOf() as object), format: 0 }))).toBe(null)
    expect(readPicture(JSON.stringify({ ...(pictureOf() as object), rows: [null] }))).toBe(null)
    expect(readPicture(JSON.stringify({ ...(pictureOf() as object), region: [0, 0, 'url(x)', 1] }))).toBe(null)
  })

  test('holds nothing but what is on the list, whatever lies in the storage', () => {
    const names = fc.constantFrom(...TAGS, 'script', 'iframe', 'img', 'object', 'link', 'base', 'form', 'use', 'constructor')
    const attributes = fc.dictionary(fc.constantFrom(...ATTRIBUTES, 'href', 'src', 'onload', 'style', '__proto__'), fc.string())
    const { piece } = fc.letrec<{ piece: unknown }>((tie) => ({
      piece: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.record({ blank: fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 }) }),
        fc.record(
          { tag: names, has: attributes, hue: fc.anything(), of: fc.array(tie('piece'), { maxLength: 3 }) },
          { requiredKeys: ['tag'] },
        ),
      ),
    }))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
        const picture = read(...pieces)
        if (picture === null) return
        for (const element of drawPicture(picture).querySelectorAll('*')) {
          expect(TAGS.has(element.localName)).toBe(true)
          const others = element.getAttributeNames().filter((name) => !ATTRIBUTES.includes(name) && name !== 'style')
          expect(others).toEqual([])
        }
      }),
      { numRuns: 500, examples: [[[{ tag: 'div', has: { viewBox: '' } }]]] },
    )
  })
})

describe('pictures on the device', () => {
  test('are of one conversation and one reader', () => {
    keepPicture('user-mia', 's1', 'of Mia')
    expect(keptPicture('user-mia', 's1')).toBe('of Mia')
    expect(keptPicture('user-jonas', 's1')).toBe(null)
    expect(keptPicture('user-mia', 's2')).toBe(null)
  })

  test('are a few, and the oldest go', () => {
    for (let i = 0; i < MAX_PICTURES + 3; i++) keepPicture('user-mia', `s${i}`, `picture ${i}`, 1_000 + i)
    expect(keys()).toHaveLength(MAX_PICTURES)
    expect(keptPicture('user-mia', 's2')).toBe(null)
    expect(keptPicture('user-mia', 's3')).toBe('picture 3')
    keepPicture('user-mia', 's3', 'again', 5_000)
    keepPicture('user-mia', 'next', 'new', 6_000)
    expect(keptPicture('user-mia', 's3')).toBe('again')
    expect(keptPicture('user-mia', 's4')).toBe(null)
  })

  test('that are too large, or find no room, leave none behind, and break nothing', () => {
    keepPicture('user-mia', 's1', 'small')
    keepPicture('user-mia', 's1', 'x'.repeat(MAX_CHARS + 1))
    expect(keptPicture('user-mia', 's1')).toBe('')
    expect(readPicture('')).toBe(null)
    keepPicture('user-mia', 's1', 'small')
    const full = (): void => {
      throw new DOMException('full', 'QuotaExceededError')
    }
    vi.stubGlobal(
      'localStorage',
      new Proxy(localStorage, { get: (to, name) => (name === 'setItem' ? full : Reflect.get(to, name).bind(to)) }),
    )
    keepPicture('user-mia', 's1', 'larger')
    expect(keptPicture('user-mia', 's1')).toBe(null)
  })

  test('of an open conversation have a key, if with an empty picture: only then do other tabs hear that it is gone', () => {
    const session = { id: 's1', messageIds: ['m1'], subscribe: () => () => {} } as unknown as OpenSession
    const stop = keepPictures(session, 'user-mia', document.createElement('div'))
    expect(keptPicture('user-mia', 's1')).toBe('')
    keepPicture('user-mia', 's1', 'of Mia')
    // Scrolled up, and more was said: the picture is out of date.
    Object.assign(session, { messageIds: ['m1', 'm2'] })
    window.dispatchEvent(new Event('pagehide'))
    expect(keptPicture('user-mia', 's1')).toBe('')
    stop()
    const again = keepPictures(session, 'user-mia', document.createElement('div'))
    keepPicture('user-mia', 's1', 'of Mia')
    window.dispatchEvent(new Event('pagehide'))
    expect(keptPicture('user-mia', 's1'), 'nothing new was said').toBe('of Mia')
    forgetPictures('s1')
    window.dispatchEvent(new StorageEvent('storage', { key: pictureKey('user-mia', 's1'), newValue: null }))
    Object.assign(session, { messageIds: ['m1', 'm2', 'm3'] })
    window.dispatchEvent(new Event('pagehide'))
    expect(keys(), 'none comes back').toEqual([])
    again()
  })

  test('of a conversation go with it, whoever has read it; its id ends their keys, as signing out expects', () => {
    for (const reader of ['user-mia', 'user-jonas']) keepPicture(reader, 's1', 'of s1')
    keepPicture('user-mia', 's11', 'of s11')
    forgetPictures('s1')
    expect(keys()).toEqual([pictureKey('user-mia', 's11')])
    expect(pictureKey('user-mia', 's11')).toMatch(/:s11$/)
  })

  test('are of the one whom the page will take its reader for; where it would make one up there is none', () => {
    expect(knownCustomer()).toBe(null)
    const who = whoAmI('user')
    expect(knownCustomer()).toEqual(who)
    window.history.replaceState(null, '', '?as=Mia%20M')
    expect(knownCustomer()?.id).toBe('user-mia-m')
    expect(knownCustomer()).toEqual(whoAmI('user'))
    window.history.replaceState(null, '', '/')
  })
})
