/** The start script: what it prints, what it leaves behind, and that nothing of it outlives it. */
import { statSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startDemo, type Demo } from './demo.ts'
import { until } from './windows.ts'

const demos: Demo[] = []

afterEach(async () => {
  await Promise.all(demos.splice(0).map((demo) => demo.stop()))
})

async function start(env: Readonly<Record<string, string>> = {}): Promise<Demo> {
  const demo = await startDemo(env, { fromSources: true })
  demos.push(demo)
  return demo
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const pidsOf = (demo: Demo): number[] => ['orders', 'returns', 'research'].map((name) => demo.agentPid(name))

test('prints one line with the address when everything is usable, serves the page, and starts an agent again that dies', async () => {
  const demo = await start({ DEMO_RESTART: '1' })
  const line = demo.log.filter((it) => it.includes('http://'))
  expect(line).toHaveLength(1)
  expect(line[0]).toContain(`Polylogue demo: ${demo.url} `)
  expect(await (await fetch(`${demo.url}/health`)).json()).toMatchObject({ status: 'ok' })
  const page = await fetch(demo.url)
  expect(page.url).toMatch(/\/s\/[\w-]{12}$/)
  expect(page.headers.get('cache-control')).toBe('no-cache')
  const [asset = ''] = /\/assets\/[\w.-]+\.js/.exec(await page.text()) ?? []
  expect((await fetch(demo.url + asset)).headers.get('cache-control')).toContain('immutable')

  const pid = demo.agentPid('returns')
  process.kill(pid, 'SIGKILL')
  await until(() => demo.agentPid('returns'), 'another one').not.toBe(pid)
  await until(() => demo.log.filter((it) => it === '[returns] connection live').length, 'it is connected').toBe(2)
  const pids = pidsOf(demo)
  await demo.end('SIGINT')
  expect(pids.map(isAlive), 'nothing of it is left').toEqual([false, false, false])
})

test('gives tokens for the demo’s roles only, and keeps its secret to itself, over a crash that leaves no process behind', async () => {
  const demo = await start()
  const ask = async (body: unknown): Promise<number> =>
    (await fetch(`${demo.url}/api/token`, { method: 'POST', body: JSON.stringify(body) })).status
  const user = { role: 'user', id: 'user-mia', name: 'Mia', session: 's1' }
  expect(await ask(user)).toBe(200)
  expect(await ask({ role: 'support', id: 'support-ada', name: 'Ada' })).toBe(200)
  const wrong = [
    { ...user, role: 'agent' },
    { ...user, session: '*' },
    { ...user, session: '~agent.orders' },
    { ...user, id: 'a b' },
    null,
  ]
  expect(await Promise.all(wrong.map(ask))).toEqual(wrong.map(() => 400))

  const file = join(demo.dataDir, 'secret')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const secret = readFileSync(file, 'utf8')
  expect(secret.length).toBeGreaterThanOrEqual(43)
  const pids = pidsOf(demo)
  expect(pids.map(isAlive)).toEqual([true, true, true])
  await demo.kill()
  await until(() => pids.map(isAlive), 'the agents see that it is gone').toEqual([false, false, false])
  await demo.start()
  expect(readFileSync(file, 'utf8')).toBe(secret)
})

test('says so when the port is taken or a setting is wrong, and exits with 1', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const port = String((taken.address() as AddressInfo).port)
  await expect(start({ PORT: port })).rejects.toThrow(/ended \(1\)[\s\S]*port is taken[\s\S]*PORT=8788/)
  taken.close()
  await expect(start({ PORT: 'http' })).rejects.toThrow(/ended \(1\)[\s\S]*PORT is a whole number/)
  await expect(start({ DEMO_MODEL: 'bogus' })).rejects.toThrow(/ended \(1\)[\s\S]*DEMO_MODEL is "scripted"/)
})
