/** Which messages belong to which alternative, over plain lists. */
import { describe, expect, test } from 'vitest'
import { Branches, type AnotherRun, type BranchMessage } from '../shared/branches.ts'
import { Chance } from './support/random.ts'

const NONE: ReadonlyMap<string, readonly string[]> = new Map()

/** A stamped message of Ada's unless `more` says otherwise; written at the time of its place. */
function said(id: string, seq: number, more: Partial<BranchMessage> = {}): BranchMessage {
  return { id, role: 'user', by: 'ada', at: seq, seq, ...more }
}
const reply = (id: string, seq: number, parent: string, run = `${parent}.bot`): BranchMessage =>
  said(id, seq, { role: 'assistant', by: 'bot', parent, run })
const another = (input: string, n: number, seq: number, more: Partial<AnotherRun['again']> = {}): AnotherRun => ({
  id: `${input}.bot~${n}`,
  input,
  again: { run: `${input}.bot`, by: 'ada', at: seq, seen: seq, seq, ...more },
})
const line = (messages: readonly BranchMessage[], runs: readonly AnotherRun[] = [], choices = NONE): string =>
  new Branches(messages, runs).shown(choices).ids.join(' ')

describe('edits (BR-1, BR-2)', () => {
  const first = [said('a', 1), reply('ra', 2, 'a'), said('b', 3), reply('rb', 4, 'b')]

  test('nothing is hidden where nobody has edited, whatever parents say (BR-3)', () => {
    expect(line(first)).toBe('a ra b rb')
    expect(line([said('a', 1, { parent: 'b' }), said('b', 2, { parent: 'a' }), said('c', 3, { parent: 'c' })])).toBe('a b c')
  })

  test('[B1] an edit stands in the place of what it edits, and of what came after that; both ways by choice', () => {
    const all = [...first, said('a2', 5, { edits: 'a', seen: 4 }), reply('ra2', 6, 'a2'), said('c', 7)]
    expect(line(all)).toBe('a2 ra2 c')
    expect(line(all, [], new Map([['a', ['a']]]))).toBe('a ra b rb')
    expect(new Branches(all, []).of('a2')).toEqual(['a', 'a2'])
    expect(new Branches(all, []).of('b')).toBeUndefined()
  })

  test('of an edit of an edit there is one list of alternatives, and alternatives may stand within others', () => {
    const all = [
      ...first,
      said('b2', 5, { edits: 'b', seen: 4 }),
      said('a2', 6, { edits: 'a', seen: 5 }),
      said('c', 7),
      said('a3', 8, { edits: 'a2', seen: 7 }),
    ]
    const branches = new Branches(all, [])
    expect(branches.of('a')).toEqual(['a', 'a2', 'a3'])
    expect(line(all)).toBe('a3')
    expect(line(all, [], new Map([['a', ['a2']]]))).toBe('a2 c')
    expect(line(all, [], new Map([['a', ['a']]]))).toBe('a ra b2')
    expect(branches.shown(branches.pathTo('rb')).ids.join(' ')).toBe('a ra b rb')
  })

  test('what its author had not seen is not left behind: two who write at the same time stay in one line (BR-4)', () => {
    // Bob's message took its place before Ada's edit did, which she wrote without knowing of it; then an agent answered him.
    const all = [...first, said('bob', 5, { by: 'bob' }), said('a2', 6, { edits: 'a', seen: 4 }), reply('rbob', 7, 'bob')]
    expect(line(all)).toBe('bob a2 rbob')
    expect(line(all, [], new Map([['a', ['a']]]))).toBe('a ra b rb')
    const seen = all.map((message) => (message.id === 'a2' ? { ...message, seen: 5 } : message))
    expect(line(seen)).toBe('a2')
  })

  test('what its author wrote offline before the edit is left behind, what they wrote after it is not (BR-4)', () => {
    const all = [said('a', 1), said('b', 2, { at: 10 }), said('a2', 3, { at: 11, edits: 'a', seen: 1 }), said('c', 4, { at: 12 })]
    expect(line(all)).toBe('a2 c')
    // On two devices: the clock of the one who wrote says which was first.
    expect(line(all.map((message) => (message.id === 'b' ? { ...message, at: 20 } : message)))).toBe('b a2 c')
  })

  test('what is written in a chosen branch stays there, and others’ line is not changed by it (BR-3)', () => {
    const all = [...first, said('a2', 5, { edits: 'a', seen: 4 }), said('old', 6, { by: 'bob', parent: 'rb' }), said('new', 7)]
    expect(line(all)).toBe('a2 new')
    expect(line(all, [], new Map([['a', ['a']]]))).toBe('a ra b rb old')
    const answered = [...all, reply('rold', 8, 'old'), said('old2', 9, { by: 'bob', edits: 'old', seen: 8 }), said('on', 10)]
    expect(line(answered)).toBe('a2 new on')
    expect(line(answered, [], new Map([['a', ['a']]]))).toBe('a ra b rb old2')
  })

  test.each([
    ['another’s message', { edits: 'b', by: 'eve' }],
    ['a reply', { edits: 'ra' }],
    ['nothing there is', { edits: 'nowhere' }],
    ['itself', { edits: 'x' }],
    ['what comes later', { edits: 'z' }],
  ])('[X1] an edit of %s is a message like any other: it hides nothing (BR-1)', (_what, more) => {
    const all = [...first, said('x', 5, { seen: 4, ...more }), said('z', 6)]
    expect(line(all)).toBe('a ra b rb x z')
    expect(new Branches(all, []).of('x')).toBeUndefined()
  })

  test('fields that are not what they should be throw nothing (DOC-3)', () => {
    const odd = [null, 7, {}, [], 'a', '', true]
    for (const edits of odd) {
      for (const seen of odd) {
        const wrong = { edits, seen, parent: seen, run: edits } as unknown as Partial<BranchMessage>
        expect(line([said('a', 1), said('x', 2, wrong), said('y', 3)])).toContain('y')
      }
    }
  })
})

describe('other answers (BR-1, BR-5)', () => {
  const first = [said('a', 1), reply('ra', 2, 'a'), said('b', 3), reply('rb', 4, 'b')]

  test('[B2] another answer stands beside the first, before it has said a word; what came after the first is hidden', () => {
    const runs = [another('a', 2, 4), another('a', 3, 5)]
    expect(line(first, runs.slice(0, 1))).toBe('a')
    const all = [...first, reply('ra2', 5, 'a', 'a.bot~2'), reply('ra3', 6, 'a', 'a.bot~3'), said('c', 7)]
    expect(line(all, runs)).toBe('a ra3 c')
    expect(line(all, runs, new Map([['a.bot', ['a.bot~2']]]))).toBe('a ra2')
    expect(line(all, runs, new Map([['a.bot', ['nowhere', 'a.bot']]]))).toBe('a ra b rb')
    expect(new Branches(all, runs).of('ra', 'a.bot')).toEqual(['a.bot', 'a.bot~2', 'a.bot~3'])
  })

  test('one that had said nothing hides nothing but itself', () => {
    const all = [said('a', 1), said('b', 2), reply('rb', 3, 'b'), reply('ra2', 4, 'a', 'a.bot~2')]
    expect(line(all, [another('a', 2, 3)])).toBe('a b rb ra2')
    expect(line(all, [another('a', 2, 3)], new Map([['a.bot', ['a.bot']]]))).toBe('a b rb')
  })

  test('answers of two agents to one input are no alternatives', () => {
    const all = [said('a', 1), reply('ra', 2, 'a'), reply('ro', 3, 'a', 'a.other'), said('b', 4)]
    expect(line([...all, reply('ra2', 5, 'a', 'a.bot~2')], [another('a', 2, 4)])).toBe('a ro ra2')
  })
})

test('whoever edits without end holds no reader up (GRD-9)', () => {
  const all: BranchMessage[] = []
  for (let i = 0; i < 4_000; i++) {
    all.push(said(`m${i}`, i * 2 + 1))
    all.push(said(`e${i}`, i * 2 + 2, { edits: `m${i}`, seen: 0, at: 0 }))
  }
  const before = performance.now()
  expect(new Branches(all, []).shown(NONE).ids).toContain('e3999')
  expect(performance.now() - before).toBeLessThan(2_000)
})

test('whatever is edited and chosen, a message that nobody left behind is shown (BR-3, BR-4)', () => {
  for (let seed = 1; seed <= 400; seed++) {
    const chance = new Chance(seed)
    const all: BranchMessage[] = []
    for (let seq = 1; seq <= 24; seq++) {
      const own = all.filter(({ by }) => by === 'ada')
      const edits = own.length > 0 && chance.bool(0.3) ? chance.pick(own).id : undefined
      const by = edits === undefined && chance.bool() ? 'bob' : 'ada'
      all.push(said(`m${seq}`, seq, { by, edits, seen: chance.int(0, seq - 1) }))
    }
    const shown = new Set(new Branches(all, []).shown(NONE).ids)
    const isLeft = (message: BranchMessage): boolean =>
      all.some(({ edits, seen = 0, seq }) => edits !== undefined && seq > message.seq && seen >= message.seq)
    const staying = all.filter((message) => message.by === 'bob' && !isLeft(message))
    const last = all.at(-1) as BranchMessage
    // One that is an edit may be of what is hidden, and changes nothing for others then.
    if (last.edits === undefined) staying.push(last)
    for (const { id } of staying) expect(shown, `seed ${seed}`).toContain(id)
    // Every message can be found, and whatever leads to it shows it.
    const branches = new Branches(all, [])
    for (const { id } of all) expect(branches.shown(branches.pathTo(id)).ids, `seed ${seed}: ${id}`).toContain(id)
  }
})

/** Messages and runs as hostile peers may make them, whatever they name; runs are the server's. */
function anything(chance: Chance): { readonly all: BranchMessage[]; readonly runs: AnotherRun[] } {
  const all: BranchMessage[] = []
  const runs: AnotherRun[] = []
  const count = chance.int(3, 12)
  const name = (): string => `m${chance.int(1, count)}`
  for (let seq = 1; seq <= count; seq++) {
    const inputs = all.filter(({ role }) => role === 'user')
    const answered = inputs.length > 0 && chance.bool(0.3) ? chance.pick(inputs).id : undefined
    const ofInput = runs.filter(({ input }) => input === answered)
    const by = chance.pick(['ada', 'bob'])
    const more: Partial<BranchMessage> = { by, at: chance.int(0, count), parent: chance.bool() ? name() : undefined }
    const seen = chance.bool() ? chance.int(0, count) : undefined
    if (answered === undefined) all.push(said(`m${seq}`, seq, { ...more, seen, edits: chance.bool() ? name() : undefined }))
    else {
      const run = ofInput.length > 0 && chance.bool() ? chance.pick(ofInput).id : `${answered}.bot`
      all.push(said(`m${seq}`, seq, { ...more, role: 'assistant', run }))
      if (chance.bool()) runs.push(another(answered, ofInput.length + 2, seq, { run, by, seen: seen ?? seq }))
    }
  }
  return { all, runs }
}

test('whatever anybody calls the parent of a message, also itself, no branch lies within itself and each can be shown (BR-2, DOC-3)', () => {
  // A message that is its own parent and is left behind; two messages of one run, the second below the first.
  const own = [
    said('a', 1, { parent: 'a' }),
    said('a2', 2, { edits: 'a', seen: 0, at: 0 }),
    said('b', 3, { edits: 'a2', seen: 0, at: 0 }),
  ]
  expect(line([said('x', 0), ...own, said('x2', 4, { edits: 'x', seen: 0, at: 0 })])).toBe('b x2')
  for (let seed = 1; seed <= 2_000; seed++) {
    const { all, runs } = anything(new Chance(seed))
    const branches = new Branches(all, runs)
    expect(branches.shown(NONE).ids, `seed ${seed}`).not.toEqual([])
    for (const { id, run } of all) {
      const path = branches.pathTo(id, run)
      expect(path.size, `seed ${seed}: ${id}`).toBeLessThanOrEqual(all.length)
      expect(branches.shown(path).ids, `seed ${seed}: ${id}`).toContain(id)
    }
  }
})
