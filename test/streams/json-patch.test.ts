/** The examples of RFC 6902, appendix A, and what an attacker would try. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { patched } from '../../shared/streams/json-patch.ts'

test.for<[title: string, value: unknown, patch: readonly object[], expected: unknown]>([
  ['add a member', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
  ['add an element', { foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
  ['remove a member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
  ['remove an element', { foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
  ['replace', { baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
  [
    'move a value',
    { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
    [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
    { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
  ],
  [
    'move an element',
    { foo: ['all', 'grass', 'cows', 'eat'] },
    [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
    { foo: ['all', 'cows', 'eat', 'grass'] },
  ],
  [
    'test: success',
    { baz: 'qux', foo: ['a', 2, 'c'] },
    [
      { op: 'test', path: '/baz', value: 'qux' },
      { op: 'test', path: '/foo/1', value: 2 },
    ],
    { baz: 'qux', foo: ['a', 2, 'c'] },
  ],
  ['add a nested member', { foo: 'bar' }, [{ op: 'add', path: '/child', value: { a: {} } }], { foo: 'bar', child: { a: {} } }],
  ['ignore what is unknown', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux', xyz: 1 }], { foo: 'bar', baz: 'qux' }],
  ['escapes', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
  ['add to the end', { foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc'] }], { foo: ['bar', ['abc']] }],
  ['copy', { a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: 1 }, c: { b: 1 } }],
  [
    'an equal object in another order',
    { a: { x: 1, y: [2] } },
    [{ op: 'test', path: '/a', value: { y: [2], x: 1 } }],
    { a: { x: 1, y: [2] } },
  ],
  [
    'the whole',
    { a: 1 },
    [
      { op: 'replace', path: '', value: [1] },
      { op: 'add', path: '/0', value: 0 },
    ],
    [0, 1],
  ],
  ['the whole is taken away', { a: 1 }, [{ op: 'remove', path: '' }], null],
  ['an empty key', { '': 1 }, [{ op: 'replace', path: '/', value: 2 }], { '': 2 }],
])('%s', ([, value, patch, expected]) => {
  const before = JSON.stringify(value)
  expect(patched(value, patch)).toEqual(expected)
  expect(JSON.stringify(value)).toBe(before)
})

test.for<[title: string, value: unknown, patch: unknown]>([
  ['test: error', { baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }]],
  ['a text is no number', { '~1': 10 }, [{ op: 'test', path: '/~01', value: '10' }]],
  ['add to nothing', { foo: 'bar' }, [{ op: 'add', path: '/baz/bat', value: 'qux' }]],
  ['remove what is not there', { foo: 'bar' }, [{ op: 'remove', path: '/baz' }]],
  ['replace what is not there', { foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 1 }]],
  ['beyond the end', { foo: [1] }, [{ op: 'add', path: '/foo/2', value: 1 }]],
  ['a leading zero', { foo: [1, 2] }, [{ op: 'remove', path: '/foo/01' }]],
  ['a negative place', { foo: [1, 2] }, [{ op: 'remove', path: '/foo/-1' }]],
  ['into itself', { a: { b: {} } }, [{ op: 'move', from: '/a', path: '/a/b/c' }]],
  ['without a value', {}, [{ op: 'add', path: '/a' }]],
  ['no pointer', {}, [{ op: 'add', path: 'a', value: 1 }]],
  ['no operation', {}, [{ op: 'spam', path: '/a', value: 1 }]],
  ['no list', {}, { op: 'add', path: '/a', value: 1 }],
  ['the length of a list', { foo: [1] }, [{ op: 'replace', path: '/foo/length', value: 0 }]],
  ['a prototype', {}, [{ op: 'add', path: '/__proto__/polluted', value: 1 }]],
  ['a constructor', {}, [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }]],
])('does not fit: %s', ([, value, patch]) => {
  expect(() => patched(value, patch)).toThrow(/./)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('a patch applies whole or not at all, and a key `__proto__` is a key like any other', () => {
  const value = { a: 1 }
  const patch = [
    { op: 'add', path: '/b', value: 2 },
    { op: 'remove', path: '/c' },
  ]
  expect(() => patched(value, patch)).toThrow(/nothing at c/)
  expect(value).toEqual({ a: 1 })
  const odd = patched({}, [{ op: 'add', path: '/__proto__', value: { polluted: 1 } }]) as object
  expect(Object.keys(odd)).toEqual(['__proto__'])
  expect(Object.getPrototypeOf(odd)).toBe(Object.prototype)
})

test('what was added is found there, and removed is gone', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.jsonValue(), (value, key, added) => {
      const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const entry: unknown = JSON.parse(JSON.stringify(added))
      const after = patched(value, [
        { op: 'add', path, value: entry },
        { op: 'test', path, value: entry },
      ])
      expect(Object.hasOwn(after as object, key)).toBe(true)
      expect(Object.hasOwn(patched(after, [{ op: 'remove', path }]) as object, key)).toBe(false)
    }),
  )
})
