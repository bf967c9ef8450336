import { defineConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest. They begin first, or one of them would run alone at the end; vitest orders by size at first. */
const LONG = [
  'test/guard-fuzz.test.ts',
  'test/compaction.test.ts',
  'test/guard-arena.test.ts',
  'test/sim/simulation.test.ts',
  'test/process/retries.test.ts',
  'test/process/kill.test.ts',
  'test/process/agents.test.ts',
  'test/process/faults.test.ts',
  'test/process/floods.test.ts',
  'test/process/limits.test.ts',
  'test/e2e/access.test.ts',
  'test/e2e/offline.test.ts',
  'test/e2e/stream.test.ts',
  'test/e2e/handing-on.test.ts',
  'test/e2e/phone.test.ts',
  'test/e2e/last-screen.test.ts',
  'test/e2e/branches.test.ts',
  'test/e2e/lanes.test.ts',
  'test/e2e/runs.test.ts',
  'test/e2e/start.test.ts',
  'test/e2e/approval.test.ts',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONG.findIndex((name) => moduleId.endsWith(name))
      return place === -1 ? LONG.length : place
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

/**
 * Three kinds of test, one after the other, so that those which measure time or drive a browser have the machine to themselves.
 * Files share a worker's modules (`isolate: false`): to start a process and load everything anew for each took a third of the
 * time of the small ones. Spies and stubbed globals are taken back before each test, so that no file inherits them.
 * A test of React asks for a DOM by `// @vitest-environment happy-dom` at its top.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    pool: 'forks',
    isolate: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: ['test/process/**', 'test/e2e/**'],
          pool: 'forks',
          isolate: false,
          restoreMocks: true,
          unstubGlobals: true,
          maxWorkers: 3,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real processes: servers that are killed, agents that die. Much of it is waiting for leases and pauses.
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          globalSetup: 'test/support/programs.ts',
          pool: 'forks',
          isolate: false,
          maxWorkers: 3,
          testTimeout: 90_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Real Chromium against the built page. Most of it is waiting for agents that work at a pace that people can follow.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: 'test/e2e/bundled-demo.ts',
          pool: 'forks',
          isolate: false,
          maxWorkers: 3,
          testTimeout: 150_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})

export default config
