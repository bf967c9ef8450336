import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import {
  askedOf,
  cancelOf,
  decideHolder,
  HELD_BY_AGENTS,
  readCancel,
  readHandover,
  readHolder,
  readPause,
  type HandoverAction,
  type Holder,
} from '../shared/control.ts'
import { askKey, cancelKey, cancelTarget, pausedAgent, pausedKey, readAskKey, rootsOf } from '../shared/layout.ts'
import { PARTICIPANT_KINDS, type ParticipantKind } from '../shared/participant.ts'
import { readInputVerdict, readRunVerdict } from '../shared/verdict.ts'

const WAITING: Holder = { state: 'waiting', by: 'ada', at: 1 }
const HUMAN: Holder = { state: 'human', by: 'sue', at: 2 }

/** Who answers after a request by `bob`: every holder, action and kind. `-`: the request changes nothing. */
const TABLE: Readonly<Record<HandoverAction, Readonly<Record<Holder['state'], Readonly<Record<ParticipantKind, string>>>>>> = {
  request: {
    agents: { user: 'waiting', agent: 'waiting', support: 'waiting', viewer: '-', server: 'waiting' },
    waiting: { user: '-', agent: '-', support: '-', viewer: '-', server: '-' },
    human: { user: '-', agent: '-', support: '-', viewer: '-', server: '-' },
  },
  take: {
    agents: { user: '-', agent: '-', support: 'human', viewer: '-', server: '-' },
    waiting: { user: '-', agent: '-', support: 'human', viewer: '-', server: '-' },
    human: { user: '-', agent: '-', support: 'human', viewer: '-', server: '-' },
  },
  return: {
    agents: { user: '-', agent: '-', support: '-', viewer: '-', server: '-' },
    waiting: { user: 'agents', agent: '-', support: 'agents', viewer: '-', server: '-' },
    human: { user: '-', agent: '-', support: 'agents', viewer: '-', server: '-' },
  },
}

describe('who answers (RUN-7)', () => {
  const holders: readonly Holder[] = [HELD_BY_AGENTS, WAITING, HUMAN]
  const actions = Object.keys(TABLE) as HandoverAction[]
  const cases = actions.flatMap((action) =>
    holders.flatMap((holder) => PARTICIPANT_KINDS.map((kind) => [action, holder, kind] as const)),
  )

  test.for(cases)('%s while held by %o, asked by %s', ([action, holder, kind]) => {
    const decided = decideHolder(holder, { action, by: 'bob', at: 9, reason: 'why' }, kind)
    const expected = TABLE[action][holder.state][kind]
    // Whoever asked, and when, stands in it, but for the agents; the reason only while somebody waits.
    const by = expected === '-' || expected === 'agents' ? {} : { by: 'bob', at: 9 }
    expect(decided ?? { state: '-' }).toEqual({ state: expected, ...by, ...(expected === 'waiting' ? { reason: 'why' } : {}) })
  })

  test('a supporter who has it already takes nothing; another one does', () => {
    expect(decideHolder(HUMAN, { action: 'take', by: 'sue', at: 9 }, 'support')).toBeNull()
    expect(decideHolder(HUMAN, { action: 'take', by: 'tom', at: 9 }, 'support')).toEqual({ state: 'human', by: 'tom', at: 9 })
  })
})

describe('flags are read only in their form (DOC-3)', () => {
  const garbage: readonly unknown[] = [
    undefined,
    null,
    0,
    'x',
    [],
    {},
    { by: 1, at: 1 },
    { by: 'a', at: '1' },
    { at: 1 },
    new Y.Map(),
    new Uint8Array(3),
  ]

  test('what is not a flag reads as none', () => {
    for (const value of garbage) {
      expect(readCancel(value)).toBeUndefined()
      expect(readHandover(value)).toBeUndefined()
      expect(readHolder(value)).toEqual(HELD_BY_AGENTS)
      expect(readPause(value)).toBeUndefined()
      expect(readInputVerdict(value)).toBeUndefined()
      expect(readRunVerdict(value)).toBeUndefined()
    }
    expect(readPause({ at: 1, reason: 'error', run: 'r', held: [1] })).toBeUndefined()
    expect(readPause({ at: 1, reason: 'lunch', run: 'r', held: [] })).toBeUndefined()
    expect(readInputVerdict({ state: 'lost', at: 1 })).toBeUndefined()
    expect(readRunVerdict({ about: 'lunch', by: 'a', at: 1 })).toBeUndefined()
    expect(readHandover({ action: 'steal', by: 'a', at: 1 })).toBeUndefined()
    expect(readHolder({ state: 'nobody', by: 'a', at: 1 })).toEqual(HELD_BY_AGENTS)
  })

  test('what is one reads as itself, without what else it says', () => {
    expect(readCancel({ by: 'a', at: 1, reason: 'r', more: true })).toEqual({ by: 'a', at: 1, reason: 'r' })
    expect(readCancel({ by: 'a', at: 1, reason: 7 })).toEqual({ by: 'a', at: 1 })
    expect(readCancel({ by: 'a', at: 1, for: 'm' })).toEqual({ by: 'a', at: 1, for: 'm' })
    const pause = { at: 1, reason: 'cancelled', run: 'r', by: 'a', held: ['x'] }
    expect(readPause({ ...pause, more: true })).toEqual(pause)
    expect(readInputVerdict({ state: 'taken', at: 1, step: 2 })).toEqual({ state: 'taken', at: 1, step: 2 })
    expect(readRunVerdict({ about: 'cancel', by: 'a', at: 1, reason: 7 })).toEqual({ about: 'cancel', by: 'a', at: 1 })
    expect(readHandover({ action: 'take', by: 'a', at: 1 })).toEqual({ action: 'take', by: 'a', at: 1 })
    expect(readHolder({ state: 'waiting', by: 'a', at: 1, reason: 'r' })).toEqual({
      state: 'waiting',
      by: 'a',
      at: 1,
      reason: 'r',
    })
  })

  test('what is asked about an input is read from its keys, in any mix', () => {
    const { control } = rootsOf(new Y.Doc())
    expect(askedOf(control, 'm')).toBeUndefined()
    control.set(askKey('edit', 'm'), { by: 'a', at: 1, text: 7 })
    expect(askedOf(control, 'm')).toBeUndefined()
    control.set(askKey('edit', 'm'), { by: 'a', at: 1, text: 'new' })
    control.set(askKey('remove', 'other'), { by: 'a', at: 1 })
    expect(askedOf(control, 'm')).toEqual({ edit: 'new' })
    control.set(askKey('remove', 'm'), { by: 'a', at: 1 })
    control.set(askKey('confirm', 'm'), { by: 'a', at: 1 })
    expect(askedOf(control, 'm')).toEqual({ edit: 'new', remove: true, confirm: true })
    expect(readAskKey(askKey('edit', 'x:y'))).toEqual({ ask: 'edit', target: 'x:y' })
    expect(readAskKey('cancel:m')).toBeNull()
    expect([pausedAgent(pausedKey('bot')), pausedAgent('holder')]).toEqual(['bot', null])
  })

  test('a cancel counts on the run and on its input', () => {
    const { control } = rootsOf(new Y.Doc())
    control.set(cancelKey('input'), { by: 'a', at: 1 })
    expect(cancelOf(control, 'input.agent', 'input')).toEqual({ by: 'a', at: 1 })
    expect(cancelOf(control, 'other.agent', 'other')).toBeUndefined()
    control.set(cancelKey('input.agent'), { by: 'b', at: 2 })
    expect(cancelOf(control, 'input.agent', 'input')).toEqual({ by: 'b', at: 2 })
    expect(cancelTarget(cancelKey('x:y'))).toBe('x:y')
    expect(cancelTarget('handover:ada')).toBeNull()
  })
})
